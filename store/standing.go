package store

import (
	"errors"
	"slices"
)

// A Standing says whether a store may sign where it is. It follows from what the
// store says of itself and from what we signed ourselves: nobody else's word counts.
type Standing string

const (
	Serves   Standing = "serves"   // it is the one that was here
	Restored Standing = "restored" // it came out of a backup: what was revoked since is not in it yet
	SetBack  Standing = "set-back" // it is older than something that was signed from it
	Foreign  Standing = "foreign"  // it is another one than the one that was here
)

// ErrRestored reports a store that came out of a backup, and that nothing was
// recovered for yet.
var ErrRestored = errors.New("the database came out of a backup, and what was revoked since then is not in it")

// Said is what a store says of itself.
type Said struct {
	// ID names the store since it was made, or since it was recovered last. Empty: a
	// program wrote it last that knew no such names.
	ID string
	// Former are the names that it had before it was recovered.
	Former []string
	// Restored: it was put here by restore. Behind: it was shown before that it is older
	// than what was signed.
	Restored, Behind bool
	// CRLNumber is the greatest number that was taken or reserved for a revocation list.
	CRLNumber int64
}

// Seen is what is known of a store from outside.
type Seen struct {
	// ID is the name of the store that was here, by the file beside the keys. Empty:
	// there is no such file.
	ID string
	// Contradicted: there is a checkpoint of ours that the log does not begin with.
	Contradicted bool
	// CRLNumber is the greatest number of a revocation list of ours that anybody holds.
	// 0: none is known.
	CRLNumber int64
}

// Judge decides what a store may do. A list with a number that the store never
// reserved, or a checkpoint of entries that it has not, was signed from a newer copy of
// it: those are proofs. An older list and an older checkpoint prove nothing, whoever
// shows them. The name of the store catches what no proof is at hand for.
func Judge(said Said, seen Seen) Standing {
	switch {
	case said.Restored:
		return Restored
	case said.Behind, seen.Contradicted, seen.CRLNumber > said.CRLNumber:
		return SetBack
	case said.ID == seen.ID: // both empty: it is older than names are
		return Serves
	case seen.ID == "": // its folder was made anew around it
		return Restored
	case said.ID == "": // a copy from before it had a name
		return SetBack
	case slices.Contains(said.Former, seen.ID): // another process recovered it
		return Serves
	}
	return Foreign
}

// err returns why a store of this standing does not open, or nil.
func (s Standing) err() error {
	switch s {
	case Serves:
		return nil
	case Restored:
		return ErrRestored
	}
	return ErrSetBack
}
