package audit

import (
	"cmp"
	"fmt"
	"slices"
)

// A Kind says what was done to a log.
type Kind string

const (
	Edited     Kind = "edited"     // the entry is not what was recorded, or its columns are not
	Forged     Kind = "forged"     // the entry was not sealed by the log: added, or put in another's place
	Unreadable Kind = "unreadable" // the entry is signed, but no data key of the log opens it, and none was destroyed
	Deleted    Kind = "deleted"    // entries are missing in the middle
	Inserted   Kind = "inserted"   // there are more rows than entries
	Reordered  Kind = "reordered"  // entries stand in each other's place
	Renumbered Kind = "renumbered" // entries stand under other numbers
	Truncated  Kind = "truncated"  // the end is missing, or an older database was put back
	Rewritten  Kind = "rewritten"  // somewhere in the range, and hashed anew
	Forked     Kind = "forked"     // the log signed, or sealed, two histories

	SegmentMissing Kind = "segment missing" // a file of the archive is not there, or cannot be read
	SegmentEdited  Kind = "segment edited"  // a file of the archive is not the one that was written

	TileEdited        Kind = "tile edited"        // a tile, the entries under it are intact
	CheckpointEdited  Kind = "checkpoint edited"  // the stored checkpoint of that size, by whoever has no key
	CheckpointDeleted Kind = "checkpoint deleted" // the evidence has those, the store has not
)

// A TamperError says what was done to the log and where.
type TamperError struct {
	Kind     Kind
	From, To int64  // entries, both included
	Detail   string // how it shows
}

func (e *TamperError) Error() string {
	where := fmt.Sprintf("at entry %d", e.From)
	if e.To > e.From {
		where = fmt.Sprintf("in entries %d to %d", e.From, e.To)
	}
	return fmt.Sprintf("audit log broken %s: %s (%s)", where, e.Kind, e.Detail)
}

// MaxFindings bounds the findings of a report.
const MaxFindings = 100

// findings gathers what is wrong, at most MaxFindings of it.
type findings []*TamperError

// add adds a finding, or widens the one that says the same of the entries just
// before.
func (f *findings) add(kind Kind, from, to int64, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	for _, e := range *f {
		if e.Kind == kind && e.Detail == detail && e.To+1 == from {
			e.To = to
			return
		}
	}
	if len(*f) < MaxFindings {
		*f = append(*f, &TamperError{kind, from, to, detail})
	}
}

// sorted puts those first that name entries, in their order; then those about
// what remembers the entries; then those that say "somewhere in this range".
func (f findings) sorted() []*TamperError {
	slices.SortStableFunc(f, func(a, b *TamperError) int {
		return cmp.Or(cmp.Compare(a.Kind.rank(), b.Kind.rank()), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return f
}

func (k Kind) rank() int {
	switch k {
	case SegmentMissing, SegmentEdited: // why the entries in them are not as they were
		return -1
	case TileEdited, CheckpointEdited, CheckpointDeleted:
		return 1
	case Rewritten, Forked:
		return 2
	}
	return 0
}
