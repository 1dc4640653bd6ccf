package store

import (
	"context"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// noticeBehind is the topic of the word to other processes that the store is behind.
const noticeBehind = "set-back"

// Prove says whether a revocation list of ours with this number shows that the store is
// older than what was signed from it: numbers are reserved, durably, before they are
// signed. If it does, the store stops for good: nothing is issued, [DB.Health] is
// [ErrSetBack], and it opens only to be recovered. Revoking goes on. what says which
// list it was, for people.
//
// The caller has verified the list's signature.
func (d *DB) Prove(ctx context.Context, number int64, what string) (behind bool, err error) {
	known, err := d.CRLNumber(ctx)
	if err != nil || number <= known {
		return false, err
	}
	if d.Stopped() != nil {
		return true, nil
	}
	d.stop(what)
	err = d.UpdateAlone(ctx, func(_ context.Context, tx *AloneTx) (audit.Event, error) {
		tx.demand(anyRows, nil, markRestored, metaBehind, []byte(what))
		return audit.Event{Action: "store.set-back", Subject: "store", Outcome: "alarm", Detail: map[string]any{
			"proof": what, "number": number, "known": known,
		}}, tx.err
	})
	if err != nil {
		return true, fmt.Errorf("recording that the store was set back: %w", err)
	}
	d.Notify(ctx, noticeBehind, what) // others look by themselves, too
	return true, nil
}

// Stopped returns why nothing may be signed any more, [ErrSetBack], or nil. It may be
// asked often.
func (d *DB) Stopped() error {
	if why := d.stopped.Load(); why != nil {
		return *why
	}
	return nil
}

func (d *DB) stop(what string) {
	err := fmt.Errorf("%w, as %s shows: stop the daemon and run betonicad recover", ErrSetBack, what)
	if d.stopped.CompareAndSwap(nil, &err) {
		d.cfg.Log.Error("the store was set back: nothing is signed any more", "error", err)
	}
}

// standingEvery is how often a process looks whether another one found the store behind.
const standingEvery = 5 * time.Second

// watchStanding stops this process when another one has found the store behind, or
// recovers it, until ctx is done.
func (d *DB) watchStanding(ctx context.Context) {
	if !d.engine.shared() {
		return
	}
	defer d.OnNotice(noticeBehind, func(what string) {
		if what != "" {
			d.stop(what)
		}
	})()
	tick := time.NewTicker(standingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		rows, err := d.reads.query(ctx, readStanding)
		if err != nil {
			continue // and Health says so
		}
		said, err := collectSaid(rows)
		if err == nil && (said.Behind || said.Restored || said.ID != d.said.ID) {
			d.stop("another daemon")
		}
	}
}
