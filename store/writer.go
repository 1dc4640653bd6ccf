package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/betonica/betonica/store/audit"
)

const (
	maxBatch     = 256              // calls of one transaction: bounds what a failure repeats
	patience     = 30 * time.Second // with a database that is to say what became of a COMMIT, or to take the last checkpoint
	company      = 8                // calls that are worth a batch of their own while another one is on its way
	diskPatience = 2 * time.Second  // with a disk of this machine, likewise
	beat         = time.Second      // between looks at the database's health
)

// A writer makes all writes of a process, one transaction at a time. It owns the
// right edge of the log's tree, which advances only with a commit that is known
// to have happened.
type writer struct {
	db      *DB
	engine  engine
	queue   *queue
	stopped chan struct{}
	health  health
	stats   writerStats
	patient time.Duration // with a database that went away during a COMMIT

	// Of the writer's goroutine.
	session *session // nil: to be connected
	tree    *audit.Tree
	flight  *flight // that was sent on its way last; nil: it has landed

	flights chan *flight
	flown   chan struct{} // closed after the last of them
}

func newWriter(d *DB) *writer {
	w := &writer{db: d, engine: d.engine, queue: newQueue(), stopped: make(chan struct{}), flights: make(chan *flight), flown: make(chan struct{}), stats: newWriterStats(), patient: patience, tree: d.log.tree}
	if !d.engine.shared() {
		w.patient = diskPatience
	}
	go w.run()
	go w.fly()
	return w
}

// do puts a call through, and returns its outcome.
func (w *writer) do(ctx context.Context, c *call) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.done = make(chan struct{})
	if c.alone != nil {
		c.turns = make(chan func())
	}
	if err := w.queue.put(c); err != nil {
		return err
	}
	return c.await()
}

// close waits for what is in the queue.
func (w *writer) close() {
	w.queue.close()
	<-w.stopped
}

// run is the writer's goroutine. There is no timer before a commit: it takes what
// waits, yields once so that callers who are about to come can, takes again, and
// commits. Measured with 32 callers, lingering up to 2 ms gains nothing, and not
// yielding makes the batches too small. While a batch is on its way to the disk it begins
// another one for a company of calls; fewer wait for those that come with the answers,
// since a batch costs as much as forty calls do. Where other processes write, too, it waits for
// its turn before it takes for the last time.
func (w *writer) run() {
	ctx := context.Background() // no caller's: and one without Done, see engine_sqlite.go
	defer close(w.stopped)
	defer w.disconnect()
	defer func() {
		w.land(ctx)
		close(w.flights)
		<-w.flown
	}()
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-w.queue.wake:
		case <-ticker.C:
			w.land(ctx)
			w.look(ctx)
			continue
		}
		if w.flying() && w.queue.depth() < company {
			continue // more come with those that it lets go
		}
		if w.crashed() {
			w.land(ctx)
		}
		calls, _ := w.queue.take(nil)
		runtime.Gosched()
		calls, closed := w.queue.take(calls)
		for len(calls) > 0 {
			if calls[0].alone == nil && w.awaitTurn(ctx) {
				calls, closed = w.queue.take(calls)
			}
			n := batch(calls)
			w.commit(ctx, calls[:n])
			w.leaveTurn(ctx)
			calls = calls[n:]
		}
		if closed {
			return
		}
	}
}

// awaitTurn waits, while others write to the same database, until it is this process's
// turn to make a batch, or for long enough, and says whether it did.
func (w *writer) awaitTurn(ctx context.Context) bool {
	if !w.db.feed.peers.live() || w.connect(ctx) != nil {
		return false // the attempt itself will say why
	}
	if err := w.engine.awaitTurn(ctx, w.session); err != nil {
		w.disconnect()
	}
	return true
}

// leaveTurn gives the turn back if the batch did not come so far as to do it.
func (w *writer) leaveTurn(ctx context.Context) {
	if w.session != nil && w.session.turn {
		ctx, cancel := w.engine.limit(ctx)
		defer cancel()
		w.rollback(ctx)
	}
}

// batch returns how many of the calls go into the next transaction: one that is
// to be alone, or all up to the next such.
func batch(calls []*call) int {
	if calls[0].alone != nil {
		return 1
	}
	n := 1
	for n < len(calls) && n < maxBatch && calls[n].alone == nil {
		n++
	}
	return n
}

// commit commits one batch, and has its callers answered when it is on disk.
func (w *writer) commit(ctx context.Context, calls []*call) {
	begin := time.Now()
	if w.crashed() {
		w.land(ctx)
	}
	if err := w.stops(calls[0]); err != nil {
		w.answer(calls, err)
		return
	}
	again, f, err := w.attempt(ctx, calls)
	switch {
	case err == nil || errors.Is(err, ErrUnknown):
	case errors.Is(err, ErrDiskFull) && !(calls[0].essential && w.engine.spare()):
	default: // nothing was committed: once more, after a lost connection on another one
		w.land(ctx) // whose failure it may be
		again, f, err = w.attempt(ctx, calls)
	}
	if err != nil {
		w.land(ctx)
		w.done(calls, nil, begin, err)
		return
	}
	f.answer = func(err error) { w.done(calls, again, begin, err) }
	if f.durable == nil {
		w.land(ctx) // what the calls found may be of the batch that is on its way
		w.arrived(f)
	} else {
		w.flight = f
		w.flights <- f
	}
	for _, c := range again {
		c.again = true
		w.commit(ctx, []*call{c})
	}
}

// done answers the calls but those that are tried again.
func (w *writer) done(calls, again []*call, begin time.Time, err error) {
	w.health.met(err, false, w.db.cfg.Log)
	took := time.Since(begin)
	n := len(calls) - len(again)
	w.stats.record(n, took)
	if err == nil && n > 0 && !relaxed(calls) {
		w.stats.durable(n, took)
	}
	if len(again) > 0 { // mostly there are none
		calls = slices.DeleteFunc(slices.Clone(calls), func(c *call) bool { return slices.Contains(again, c) })
	}
	w.answer(calls, err)
}

// answer lets the callers go. A call that failed by itself keeps its own error.
func (w *writer) answer(calls []*call, err error) {
	for _, c := range calls {
		if c.err == nil {
			c.err = err
		}
		close(c.done)
	}
}
