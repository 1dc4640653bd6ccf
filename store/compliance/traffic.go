package compliance

import "time"

// Certificates are those in time.
type Certificates struct {
	Live    int64            // revoked ones among them
	Revoked int64            // of them
	Keys    map[string]int64 // by kind of key: "P-256", "RSA-2048"
	Methods map[string]int64 // by how they were asked for

	Weak     Count // keys that nobody should use any more
	Borrowed Count // keys that are on record as somebody else's
	Crowded  Count // identities with more than two
	Orphaned Count // not revoked, of an identity that has ended or is not on record

	Ages  Histogram // since they were issued
	Lives Histogram // from their issue to their end
	Left  Histogram // until their end
}

// Traffic is what guards wrote down and shipped.
type Traffic struct {
	Records     int64 // of accesses, in the period
	Unreadable  int64 // whose data key did not come, or that were damaged
	First, Last time.Time

	Outcomes  map[string]int64
	Protocols map[string]int64
	Refusals  map[string]int64 // by reason, the first [MaxReasons] of them
	Logoffs   map[string]int64 // connections that guards ended, by reason

	Observed  Count // let through, though no rule allowed it
	Nameless  Count // let through without a certificate
	Revoked   Count // let through with a certificate that had been revoked
	Voids     int64 // revoked certificates that serials were looked up in
	VoidsLost bool  // there were more than could be held
	Sessions  int64 // connections that came to an end
	Long      Count // of them, those that lasted longer than a day
	Matched   int64 // payloads that both ends digested alike
	Differing Count // and differently
	Unpaired  int64 // that there was no room to hold against the other end

	Journals int64 // of guards that are in service
	Silent   Count // of them, those that were not heard of for a day
	Forked   Count // journals that told two histories
	Gaps     Count // times when accesses went unrecorded

	Edges     []Edge // who spoke with whom, the busiest first
	EdgesLost int64  // records of edges that there was no room for
}

// MaxReasons is how many different reasons are told apart.
const MaxReasons = 64

// An Edge is that machines of a role spoke with what stands behind a guard.
type Edge struct {
	Role     string `json:"role"`     // of the callers
	Machines int64  `json:"machines"` // that called; at least
	Guard    string `json:"guard"`    // path
	Route    string `json:"route"`
	Protocol string `json:"protocol"`

	// Records, by what became of them.
	Allowed int64 `json:"allowed"`
	Refused int64 `json:"refused"`
	Other   int64 `json:"other"`

	Bytes int64     `json:"bytes"`
	Last  time.Time `json:"last,omitzero"`
}

// Log is the CA's own.
type Log struct {
	Origin, Key string
	Entries     int64
	Signed      int64     // entries that the newest checkpoint covers
	SignedAt    time.Time // and its time; zero: nothing is signed
	Actions     map[string]int64
	Segments    int64 // files of the archive
	Missing     Count // of them

	Sampled  int64 // entries that were looked up in the tree
	Unproved Count // of them, those that are not in what was signed
	Verified *Verification
	Dropped  int64 // refusals in the period that nobody wrote down, at least so many times

	DataKeys int64     // that entries were sealed under, one after the other
	DataKey  time.Time // when the newest was made; zero: nobody knows
	Wrapping time.Time // when the key was made that wraps them
}

// A Verification read every entry.
type Verification struct {
	At       time.Time
	Entries  int64
	Findings Count
}

// Enforcement is how revocation reaches those who rely on it.
type Enforcement struct {
	Lists   int64 // issuers that publish one
	Stale   Count // of them, those whose list has ended, or is older than its heartbeat allows
	Number  int64 // CRL number of the newest revocation
	Parties int64 // that reported within a day
	Behind  Count // of them, those that do not enforce it
	Oldest  time.Duration
}
