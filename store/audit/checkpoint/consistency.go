package checkpoint

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrOlder reports that a checkpoint is smaller than the one that is already
// known. It may be a cached one that came late; if the log insists, an older
// database was put back.
var ErrOlder = errors.New("checkpoint: older than the one known")

// A ForkError reports that the log signed two checkpoints and did not prove
// that the newer holds all of the older. Keep both signed texts: of the same
// size, they convict the log by themselves; of different sizes, the log is
// convicted until it shows a proof.
type ForkError struct {
	Old, New Checkpoint
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("checkpoint: log %s forked: %d entries with hash %s are no prefix of %d entries with hash %s",
		e.Old.Origin, e.Old.Size, e.Old.Hash, e.New.Size, e.New.Hash)
}

// CheckConsistency returns nil if proof shows that the entries under old are
// the first entries under new (RFC 6962, Section 2.1.2). Both were returned by
// [Open]: CheckConsistency checks no signature. An empty log is a prefix of any
// other; between equal sizes the proof is not looked at.
//
// It returns a [*ForkError] if not, [ErrOlder] if new is smaller than old, and
// another error if they are of different logs.
func CheckConsistency(old, new Checkpoint, proof []tlog.Hash) error {
	if old.Origin != new.Origin {
		return fmt.Errorf("checkpoint: of %q, not of %q", new.Origin, old.Origin)
	}
	if new.Size < old.Size {
		return fmt.Errorf("%w: %d entries after %d", ErrOlder, new.Size, old.Size)
	}
	if !isPrefix(old, new, proof) {
		return &ForkError{old, new}
	}
	return nil
}

func isPrefix(old, new Checkpoint, proof []tlog.Hash) bool {
	switch {
	case new.Size == old.Size:
		return new.Hash == old.Hash
	case old.Size == 0:
		empty, _ := tlog.TreeHash(0, nil) // reads nothing
		return old.Hash == empty
	}
	return tlog.CheckTree(proof, new.Size, new.Hash, old.Size, old.Hash) == nil
}
