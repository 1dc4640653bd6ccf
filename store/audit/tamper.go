package audit

import "fmt"

// A Kind says what was done to a log.
type Kind string

const (
	Edited        Kind = "edited"    // the entry is not what was recorded
	Forged        Kind = "forged"    // the entry was not sealed by the log
	Deleted       Kind = "deleted"   // entries are missing in the middle
	Inserted      Kind = "inserted"  // entries were put in between
	Reordered     Kind = "reordered" // entries stand in each other's place
	Truncated     Kind = "truncated" // the end is missing, or an older database was put back
	Rewritten     Kind = "rewritten" // somewhere in the range, and hashed anew
	Forked        Kind = "forked"    // the log signed two histories
	TileEdited    Kind = "tile edited"
	BadCheckpoint Kind = "checkpoint edited"
)

// A TamperError says what was done to the log and where.
type TamperError struct {
	Kind     Kind
	From, To int64  // entries, both included
	Detail   string // how it shows
}

func (e *TamperError) Error() string { return fmt.Sprintf("audit log broken") }
