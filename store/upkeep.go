package store

import (
	"context"
	"time"
)

const purgeEvery = 6 * time.Hour

// upkeep removes what is of no use any more until ctx is done: what ACME has left
// behind, and what has left its retention;
// and it archives the oldest entries of the log.
func (d *DB) upkeep(ctx context.Context) {
	prune, purge := time.NewTicker(pruneEvery), time.NewTicker(purgeEvery)
	defer prune.Stop()
	defer purge.Stop()
	for due := true; ; due = false {
		if err := d.PruneACME(ctx, d.cfg.Now()); err != nil && ctx.Err() == nil {
			d.cfg.Log.Error("what ACME has left behind was not pruned", "error", err)
		}
		if due && d.Eldest() {
			if err := d.Purge(ctx, d.cfg.Now()); err != nil && ctx.Err() == nil {
				d.cfg.Log.Error("what has left its retention was not removed", "error", err)
			}
			if err := d.ArchiveLog(ctx, d.cfg.Now()); err != nil && ctx.Err() == nil {
				d.cfg.Log.Error("old entries of the log were not archived", "error", err)
			}
		}
		select {
		case <-prune.C:
		case <-purge.C:
			due = true
		case <-ctx.Done():
			return
		}
	}
}
