package compliance

import "time"

// A State is how a check ended.
type State string

const (
	Pass          State = "pass"
	Fail          State = "fail"
	NotTested     State = "not tested"     // no facts, and Found says why
	NotApplicable State = "not applicable" // it has no object here, and Found says why
	Attested      State = "attested"       // by a person, until Expires
)

// States lists them, the worst first.
func States() []State { return []State{Fail, NotTested, Attested, NotApplicable, Pass} }

// A Result is what became of a check. Its JSON stays as it is; members may be added.
type Result struct {
	ID        string    `json:"id"`
	Safeguard Safeguard `json:"safeguard"`
	Cites     []string  `json:"cites"`
	Title     string    `json:"title"`
	State     State     `json:"state"`
	Found     string    `json:"found"`        // what was seen, with its numbers
	Do        string    `json:"do,omitempty"` // unless it passed
	Rule      string    `json:"rule"`
	Query     string    `json:"query"`
	Rows      []Row     `json:"rows,omitempty"` // examples
	More      int64     `json:"more,omitempty"` // that there are beside them

	By      string    `json:"by,omitempty"` // who attested it
	Expires time.Time `json:"expires,omitzero"`
}

// A Run is what became of all checks of a profile. Its JSON stays as it is; members may
// be added.
type Run struct {
	Profile     string        `json:"profile"`
	Title       string        `json:"title"`
	Note        string        `json:"note"`
	Proposed    bool          `json:"proposed"`
	Version     int           `json:"version"` // of the checks
	Digest      string        `json:"digest"`  // SHA-256 of them
	TrustDomain string        `json:"trust_domain"`
	Program     string        `json:"program,omitempty"` // version of the daemon
	At          time.Time     `json:"at"`
	Since       time.Time     `json:"since"`
	Entries     int64         `json:"entries"` // of the log, when it was made
	Counts      map[State]int `json:"counts"`
	Results     []Result      `json:"results"`
	Last        *time.Time    `json:"last,omitempty"` // the run that it is compared with
	Changes     []Change      `json:"changes"`
	Safeguards  []Sentence    `json:"safeguards"`
	Beyond      []string      `json:"beyond"` // what nothing of this shows
}

// A Sentence says of one safeguard how it stands, in plain words.
type Sentence struct {
	Safeguard Safeguard     `json:"safeguard"`
	Cite      string        `json:"cite"`
	Text      string        `json:"text"`
	Counts    map[State]int `json:"counts"`
}

// Failed reports whether a check failed, and how many.
func (r *Run) Failed() int { return r.Counts[Fail] }

// Beyond lists what of the rule nothing here can show.
func Beyond() []string {
	return []string{
		"who the people are: their training, their sanctions, and whether those who left were taken off every list",
		"premises, workstations, and media that were thrown away (164.310)",
		"contracts with business associates (164.314), and notices of breaches",
		"what happens inside applications, once a guard has let an access in",
		"traffic that goes past the guards",
		"whether a machine that holds a certificate is the one that its owner believes it to be",
		"what root on the CA's own host did since the last checkpoint that is kept elsewhere",
	}
}
