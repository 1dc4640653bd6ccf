package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

const (
	maxBatch   = 200     // records that a sink gets at a time, if it is not said
	batchBytes = 1 << 20 // and about how much they are sealed

	poll     = 500 * time.Millisecond // between two looks at the log
	journals = 2 * time.Second        // and at the journals
	patience = 2 * time.Minute        // with a sink, for a batch

	// keepEvery is after how long it is kept how far a sink has passed over what is not
	// for it; keepEach after how many entries.
	keepEvery = 10 * time.Second
	keepEach  = 1000
)

// A feed delivers to one sink, in one goroutine.
type feed struct {
	Config
	Outlet

	tail  *store.Tail
	begun bool
	own   cursor
	kept  time.Time // when own was
	after string    // the journal that was looked at last
	next  time.Time // look at journals

	backoff backoff
	refusal refusal

	mu     sync.Mutex
	status Status
}

// A cursor is how far a sink is in a log.
type cursor struct {
	known bool
	kept  int64 // by the store
	at    int64 // kept, or further, over what is not for this sink
}

// runAll delivers, and lets the sink run, until ctx ends; then it closes the sink.
func (f *feed) runAll(ctx context.Context) (err error) {
	var wg sync.WaitGroup
	if r, ok := f.Sink.(Runner); ok {
		wg.Go(func() { err = r.Run(ctx) })
	}
	f.run(ctx)
	wg.Wait()
	return errors.Join(err, f.Sink.Close())
}

// run delivers until ctx ends.
func (f *feed) run(ctx context.Context) {
	f.tail = f.Store.Tail()
	defer f.tail.Close()
	for ctx.Err() == nil {
		if !f.Store.Eldest() {
			f.own = cursor{} // somebody else moves it
			f.leave()
			sleep(ctx, poll)
			continue
		}
		more, err := f.round(ctx)
		switch {
		case ctx.Err() != nil, err == nil && more:
		case err == nil:
			f.idle(ctx)
			sleep(ctx, poll)
		default:
			f.failed(ctx, err)
			sleep(ctx, f.backoff.pause())
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// round hands over a part of the log and a part of each of some journals, and reports
// whether there was anything.
func (f *feed) round(ctx context.Context) (more bool, err error) {
	if err := f.begin(ctx); err != nil {
		return false, err
	}
	if more, err = f.ownLog(ctx); err != nil || !f.Journals {
		return more, err
	}
	if now := time.Now(); more || !now.Before(f.next) {
		some, err := f.someJournals(ctx)
		if err != nil {
			return more, err
		}
		if more = more || some; !some {
			f.next = now.Add(journals)
		}
	}
	return more, nil
}

// begin puts on record that a sink is new.
func (f *feed) begin(ctx context.Context) error {
	if f.begun {
		return nil
	}
	known, err := f.Store.Deliveries(ctx)
	if err != nil {
		return err
	}
	for _, one := range known {
		if one.Sink == f.Name {
			f.begun = true
			f.resume(one)
			return nil
		}
	}
	err = f.Store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.BeginDelivery(f.Name, f.All)
		return f.beginning()
	})
	if err == nil {
		f.Log.InfoContext(ctx, "delivery begins", "sink", f.Name, "kind", f.Kind, "to", f.To, "all", f.All)
	} else if !errors.Is(err, store.ErrExists) {
		return err
	}
	f.begun = true
	return nil
}

// ownLog hands over a part of the CA's log.
func (f *feed) ownLog(ctx context.Context) (more bool, err error) {
	if !f.own.known {
		seq, err := f.Store.Delivered(ctx, f.Name, store.OwnLog)
		if err != nil {
			return false, err
		}
		f.own, f.kept = cursor{true, seq, seq}, f.Now()
	}
	end, err := f.Store.LogEnd(ctx)
	if err != nil {
		return false, err
	}
	if end <= f.own.at {
		return false, f.keep(ctx)
	}
	began := time.Now()
	entries, err := f.tail.Entries(ctx, f.own.at, f.Batch)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	read := time.Since(began)
	to, taken, failed := f.send(ctx, entries, f.Source)
	f.own.at = max(f.own.at, to)
	if taken > 0 || f.own.at-f.own.kept >= keepEach {
		f.kept = time.Time{}
	}
	if err := f.keep(ctx); err != nil {
		return false, err
	}
	if failed != nil && f.own.known {
		err := f.pass(ctx, store.OwnLog, &f.own.kept, &f.own.at, failed)
		return err == nil, err
	}
	sleep(ctx, read) // half of the time is for those who issue
	return true, nil
}

// keep has the store keep how far the sink is in the CA's log, if it is time. Where
// somebody else has moved the cursor, the feed goes on from there.
func (f *feed) keep(ctx context.Context) error {
	if f.own.at == f.own.kept || f.Now().Sub(f.kept) < keepEvery {
		return nil
	}
	err := f.move(ctx, store.OwnLog, f.own.kept, f.own.at)
	if err != nil {
		f.own = cursor{}
		return ignoreStale(err)
	}
	f.own.kept, f.kept = f.own.at, f.Now()
	return nil
}

// move moves a cursor in the store. What was taken is kept though the daemon is about to
// end.
func (f *feed) move(ctx context.Context, log string, from, to int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	told := f.untold()
	err := f.Store.Relaxed(ctx, func(tx *store.RelaxedTx) {
		tx.MoveDelivery(f.Name, log, from, to)
		if told {
			tx.ToldDelivery(f.Name)
		}
	})
	if err != nil {
		return fmt.Errorf("noting how far %s is: %w", f.Name, err)
	}
	if told {
		f.noted()
	}
	return nil
}

// send hands the entries of a log to the sink that are for it, and returns up to which
// entry of the log that is done, and how many were taken.
func (f *feed) send(ctx context.Context, entries []audit.Entry, from atna.Source) (to int64, taken int, err error) {
	batch := make([]Record, 0, len(entries))
	for _, e := range entries {
		if f.Events.Match(e.Action) {
			batch = append(batch, Record{e, from})
		}
	}
	last := entries[len(entries)-1].Seq
	if len(batch) == 0 {
		return last, 0, nil
	}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	taken, err = f.Sink.Send(within, batch)
	taken = min(max(taken, 0), len(batch))
	if taken > 0 {
		f.backoff, f.refusal = backoff{}, refusal{}
		f.told(taken)
	}
	if taken == len(batch) {
		return last, taken, nil
	}
	if err == nil {
		err = errors.New("the receiver did not take all")
	}
	return batch[taken].Entry.Seq - 1, taken, &sinkError{err, batch[taken]}
}

// A sinkError is what a sink said of a record, as opposed to trouble of our own.
type sinkError struct {
	error
	record Record
}

func (e *sinkError) Unwrap() error { return e.error }
