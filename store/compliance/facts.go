package compliance

import (
	"cmp"
	"slices"
	"time"
)

// Facts are what is judged. They say what was seen and how much of it; none of them is a
// verdict. Of whatever there may be millions of, they hold a number and a few rows.
type Facts struct {
	At          time.Time // of the survey
	Since       time.Time // the beginning of the period that it looks at
	TrustDomain string

	System       System
	Policy       Policy
	Identities   Identities
	Certificates Certificates
	Access       Traffic
	Log          Log
	Enforcement  Enforcement
	Emergency    Emergency
	Reviews      Reviews
	Alerts       Alerts

	Attested map[string]Attestation // by check: the newest
	Last     *Summary               // the run before, of the same profile; nil: there is none on record
	Daily    time.Time              // the last run that the daemon made by itself; zero: never
}

// A Row is an example of what was counted, for people to look at: of a stranger's words
// only those that package plain has cleaned.
type Row struct {
	What   string `json:"what"`
	Detail string `json:"detail,omitempty"`
}

// MaxRows is how many examples are kept of anything.
const MaxRows = 10

// A Count is how often something was seen, with the first examples.
type Count struct {
	N    int64
	Rows []Row
}

// Add counts one more.
func (c *Count) Add(what, detail string) {
	if c.N++; len(c.Rows) < MaxRows {
		c.Rows = append(c.Rows, Row{what, detail})
	}
}

// Merge counts what another has counted.
func (c *Count) Merge(d Count) {
	c.N += d.N
	c.Rows = append(c.Rows, d.Rows[:min(len(d.Rows), MaxRows-len(c.Rows))]...)
}

// System is what the daemon knows of itself and of its host. Known is false where nobody
// told, as in a survey of a database alone.
type System struct {
	Known       bool
	Version     string
	FIPS        bool   // the validated module is in force
	FIPSVersion string // of the module; empty: it is not built in

	Listeners []Listener
	Ops       string // address of health and metrics, which are plaintext
	OpsOpen   bool   // others than this host reach it

	Passphrase, Evidence Place
	RootKey              []string // where the root's private key lies on this host

	Backup       Backup
	BackupWithin time.Duration // how old it may be, as configured
	KeepsLog     time.Duration
	KeepsRecords time.Duration

	Sinks []Sink // where the log is delivered to
}

// A Sink is a system of somebody else's that the log is delivered to.
type Sink struct {
	Name string
	Lag  time.Duration // of the oldest entry that it has not taken
	Why  string        // it did not take it; empty: nothing failed

	Alerts bool // it is told of alerts
}

// A Listener is one that speaks TLS, as a client of this host met it.
type Listener struct {
	Name, Address string
	Refuses       bool   // TLS 1.0 and 1.1
	Version       string // that was agreed on, with the cipher suite and the group
	Cipher, Group string
	Trouble       string // why it could not be tried; empty: it was
}

// A Place is where a file lies.
type Place struct {
	File    string // empty: there is none here, as with a secret that the service manager hands over
	Beside  string // how it shares a device with the data: "on the same disk"; empty: it does not
	Trouble string // why nobody knows; empty: somebody does
}

// A Backup is the newest one; zero: there never was one.
type Backup struct {
	At        time.Time
	File      string
	Encrypted bool
}

// Policy is what the policy in force says.
type Policy struct {
	Version  int64
	Digest   string
	Loaded   time.Time
	Actor    string
	Recorded bool  // its text is the one whose digest the log has
	Logged   bool  // the log has one for the version in force
	Kept     int64 // versions on record
	Newest   int64 // and the number of the newest
	Roles    []Role
	Rules    []Rule
}

// A Role is one that identities may be made in.
type Role struct {
	Name       string
	Privileged bool
	Lifetime   time.Duration
	Proofs     int
	ServerKeys bool
	Dormant    time.Duration // 0: never
	Attest     time.Duration // 0: never
	Active     int64         // identities with a certificate in time
}

// A Rule is one of guards.
type Rule struct {
	Name  string
	Peers []string
	Wide  []string // what of it lets in more than is likely to be needed
	Uses  int64    // in the period
}

// Identities are those on record.
type Identities struct {
	States     map[string]int64
	Suspect    Count
	Ownerless  Count
	Unattested Count
	Privileged []Person
	Owners     int64 // that differ, of the privileged
}

// A Person holds a certificate that may use the admin API. Owner is empty for nobody.
type Person struct {
	Path, Owner string
}

// Emergency is what the log says of the powers that people took in an emergency, in the
// year before.
type Emergency struct {
	Taken      int64
	Reviewed   []PowerReview // the newest first, MaxRows at most
	Waiting    int64         // for a review, which there is time for
	Unreviewed Count         // by anybody else, in time
	Lost       bool          // there was more on record than is looked through
}

// A PowerReview is the word of who looked at what a power was used for.
type PowerReview struct {
	Person string // whose power it was
	By     string
	At     time.Time
	Word   string
}

// Reviews is who reviewed the log, and what of it nobody did.
type Reviews struct {
	N    int64
	Done []LogReview // the newest first, MaxRows at most
	Gaps Count       // parts that nobody has reviewed, since the first that somebody did
	Lost bool        // there are more reviews than were read

	// Waits is since when the oldest entry waits for a review; zero: none does. Where there
	// never was one, that is since the log began.
	Waits time.Time
}

// A LogReview is the word of who reviewed a part of the log.
type LogReview struct {
	Since, Until time.Time
	First, Last  int64 // entries
	By           string
	At           time.Time
	Word         string
	Own, Acts    int64 // of what people did in it, what was the reviewer's or his owner's, and all
}

// Alerts is how far the watch over the log and over guards' records is, and what became of
// its alerts in the period.
type Alerts struct {
	Evaluated time.Time // what was on record then was looked at, and told; zero: nothing ever was
	Opened    int64
	Critical  int64   // of those
	Unseen    []Alert // critical ones that nobody has acknowledged, open or resolved in the period
	Newest    []Alert // the newest first, MaxAlerts at most
	Lost      bool    // there were more than were read
}

// Add takes in an alert that is open, or came since.
func (a *Alerts) Add(one Alert, since time.Time) {
	critical := one.Severity == "critical"
	if !one.Opened.Before(since) {
		a.Opened++
		if critical {
			a.Critical++
		}
	}
	if critical && one.Acknowledged.IsZero() {
		a.Unseen = append(a.Unseen, one)
	}
	a.Newest = append(a.Newest, one)
	slices.SortFunc(a.Newest, func(x, y Alert) int { return cmp.Compare(y.ID, x.ID) })
	a.Newest = a.Newest[:min(len(a.Newest), MaxAlerts)]
}

// MaxAlerts is how many alerts are kept to be shown.
const MaxAlerts = 30

// An Alert is one, as it stands.
type Alert struct {
	ID                             int64
	Rule, Severity, Subject, Facts string
	Opened, Acknowledged, Resolved time.Time // zero: not yet
	By, Word                       string    // who acknowledged it, and what he said
}

// Attestation is what somebody has put his name to.
type Attestation struct {
	Word    string
	By      string
	At      time.Time
	Expires time.Time
	Entry   int64 // of the log
}
