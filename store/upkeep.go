package store

import (
	"context"
	"errors"
	"time"
)

const (
	purgeEvery = 6 * time.Hour
	keysEvery  = 10 * time.Minute
)

// upkeep removes what is of no use any more until ctx is done: what ACME has left
// behind, requests that have lapsed, and, where this process is the one to do it, what
// has left its retention. It replaces the log's keys when they are due. It archives the oldest entries of the log, and gives back the
// room that they took.
func (d *DB) upkeep(ctx context.Context) {
	prune, purge, give, keys := time.NewTicker(pruneEvery), time.NewTicker(purgeEvery), time.NewTicker(giveLook), time.NewTicker(keysEvery)
	defer prune.Stop()
	defer purge.Stop()
	defer give.Stop()
	defer keys.Stop()
	d.job(ctx, failedKeys, d.keysNow)
	d.job(ctx, failedPrune, d.pruneNow)
	d.job(ctx, "what has left its retention was not removed", d.purgeNow)
	for {
		select {
		case <-prune.C:
			d.job(ctx, failedPrune, d.pruneNow)
		case <-purge.C:
			d.job(ctx, "what has left its retention was not removed", d.purgeNow)
		case <-keys.C:
			d.job(ctx, failedKeys, d.keysNow)
		case <-give.C:
			d.job(ctx, "the room of what was removed was not given back", d.giveBack)
		case <-ctx.Done():
			return
		}
	}
}

// job runs one of the jobs, and says what came of it if it failed: it is tried again
// when its time comes.
func (d *DB) job(ctx context.Context, failed string, run func(context.Context) error) {
	if err := run(ctx); err != nil && ctx.Err() == nil {
		d.cfg.Log.Error(failed, "error", err)
	}
}

const failedKeys = "the log's keys were not replaced, or not taken over from who replaced them"

const failedPrune = "what ACME has left behind, or requests that lapsed, were not pruned"

func (d *DB) pruneNow(ctx context.Context) error {
	return errors.Join(d.PruneACME(ctx, d.cfg.Now()), d.PruneRequests(ctx, d.cfg.Now()))
}

func (d *DB) purgeNow(ctx context.Context) error {
	if !d.Eldest() {
		return nil
	}
	if err := d.Purge(ctx, d.cfg.Now()); err != nil {
		return err
	}
	if err := d.ArchiveLog(ctx, d.cfg.Now()); err != nil {
		return err
	}
	return d.RetireJournals(ctx, d.cfg.Now())
}
