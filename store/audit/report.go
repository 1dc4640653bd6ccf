package audit

import "golang.org/x/mod/sumdb/tlog"

// A Report says what was verified and, above all, what was not.
type Report struct {
	Origin      string // of the log
	VerifierKey string // that signed the checkpoints
	KeyTrusted  bool   // false: the key is the bundle's own word

	First, Last int64     // entries read; zero if there are none
	Hash        tlog.Hash // root over all entries, of a whole log

	Opened int64 // entries whose seal was opened
	Sealed int64 // entries whose data key is gone, or for which no key was given

	Checkpoints int // of the store (of the bundle: 1) that are signed and agree
	Evidence    int // notes of the evidence file that are signed and agree
	Unsigned    int // notes of the evidence file that the log's key did not sign: torn, or not ours; ignored

	// Proved is the size of the largest signed checkpoint that agrees with the
	// entries: up to this entry, the log is what was signed.
	Proved int64
	Note   string // that checkpoint, signed

	// Findings are all that is wrong, in the order of the entries, at most
	// MaxFindings.
	Findings []*TamperError
}

// MaxFindings bounds the findings of a report; what comes after is not listed.
const MaxFindings = 100

// Tail returns the entries that no checkpoint covers yet, and whether there
// are any.
func (r Report) Tail() (first, last int64, ok bool) { panic("not yet") }

// String says in a few lines what is proved, by what, and which tail is not.
func (r Report) String() string { panic("not yet") }
