package audit

import (
	"context"
	"time"
)

// A Source is the stored log as [Verify] and [Export] read it: pages in key
// order, out of one snapshot, so that a running daemon does not disturb. It
// returns what is there, without judging: a Source that skipped a bad row would
// hide it.
type Source interface {
	TileReader

	// Records returns up to limit rows with a number greater than after,
	// ascending, each with its terms ascending. Fewer than limit means that
	// there are no more. The first call asks after the least int64.
	Records(ctx context.Context, after int64, limit int) ([]Record, error)

	// Checkpoints returns up to limit signed checkpoints with a size greater
	// than after, ascending. Fewer than limit means that there are no more.
	Checkpoints(ctx context.Context, after int64, limit int) ([]SignedCheckpoint, error)
}

// A Flawed source is in several pieces, and knows which of them are not what they
// should be, once they were read: [Verify] asks at its end, and reports it with the rest.
type Flawed interface {
	Flaws(ctx context.Context) ([]*TamperError, error)
}

// A SignedCheckpoint is a row of the checkpoints.
type SignedCheckpoint struct {
	Size int64
	At   time.Time // to the millisecond; not signed
	Note string    // as [checkpoint.Sign] returned it
}
