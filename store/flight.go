package store

import (
	"context"

	"github.com/betonica/betonica/store/audit"
)

// A flight is a batch that has been committed, and is on its way to the disk. The
// statements of the next run meanwhile; it is committed when this one has landed.
type flight struct {
	good        []*call // that are in it
	entry       logEntry
	before      *audit.Tree // without its entries
	revocations []Revocation
	number      int64 // the greatest of them
	atOnce      bool  // it was sent with what the calls demand
	answer      func(error)
	durable     func() error
	ended       chan struct{} // closed when failed is final
	failed      error
}

// fly is the goroutine that waits for the disk, so that the writer need not.
func (w *writer) fly() {
	for f := range w.flights {
		if f.failed = f.durable(); f.failed == nil {
			w.arrived(f)
		}
		close(f.ended)
		w.queue.signal() // the writer may have waited, or is to find out what became of it
	}
	close(w.flown)
}

// arrived is what follows once a batch is on disk: its entries count, the news of it goes
// out, its callers are answered.
func (w *writer) arrived(f *flight) {
	if n := len(f.entry.records); n > 0 {
		if !w.engine.shared() {
			w.db.clock.recorded(f.entry.records[n-1].At)
		}
		w.db.log.head.Store(f.entry.tree)
	}
	if f.number > 0 {
		w.db.feed.own.Store(f.number)
	}
	w.db.feed.deliver(f.revocations)
	for _, c := range f.good {
		if c.revokes {
			c.number = f.number
		}
	}
	f.answer(nil)
}

// land waits for the batch that is on its way, and if it failed finds out what became of it.
func (w *writer) land(ctx context.Context) {
	f := w.flight
	if f == nil {
		return
	}
	<-f.ended
	w.flight = nil
	if f.failed == nil {
		return
	}
	w.rollback(ctx)
	err := w.outcome(f, f.failed)
	if err == nil {
		w.arrived(f)
		return
	}
	w.tree = f.before
	f.answer(err)
}

// flying says whether a batch is on its way still.
func (w *writer) flying() bool {
	if w.flight == nil {
		return false
	}
	select {
	case <-w.flight.ended:
		return false
	default:
		return true
	}
}

// crashed says whether the batch that was on its way failed.
func (w *writer) crashed() bool {
	return w.flight != nil && !w.flying() && w.flight.failed != nil
}
