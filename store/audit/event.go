package audit

import (
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// An Event is one thing that happened, as the code that did it tells it. All
// but the action is sealed.
type Event struct {
	// Action says what was tried, as "noun.verb": 1 to 64 of a-z, 0-9, '.', '_'
	// and '-'. It stays in clear, so it never holds data.
	Action string

	Actor     string // who did it: an identity's path, "uid:0", "self"
	Subject   string // to whom or what it was done
	Address   string // from which network address, if any
	Outcome   string // "ok", or why not
	RequestID string // of the request that asked for it, if any

	// Detail is whatever else belongs on record. It must marshal to JSON; an
	// opened entry has the numbers in it as json.Number. Never a secret.
	Detail map[string]any

	// Encoded, unless empty, is what to seal as Detail, which is nil then: the same JSON
	// that Detail would give, object and sorted names included, by who writes many
	// events of one form. An opened entry has Detail, unless [Keyring.OpenEncoded] opened it.
	Encoded []byte
}

// An Entry is a record of the log, opened.
type Entry struct {
	Seq int64     // from 1, without gaps; entry n is leaf n-1 of the tree
	At  time.Time // when it was sealed, to the millisecond, UTC
	Event
	KeyID KeyID     // of the data key that seals it
	Hash  tlog.Hash // of its leaf
}

// A Record is an entry as the log keeps it, one row. Leaf alone is the truth;
// the rest repeats it for the database to search by, and [Verify] compares.
type Record struct {
	Seq    int64
	At     time.Time // to the millisecond
	Action string
	Leaf   []byte    // at most MaxLeaf bytes
	Hash   tlog.Hash // tlog.RecordHash(Leaf)
	Terms  []Term    // blind indexes, ascending, at most MaxTerms
}
