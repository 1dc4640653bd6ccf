package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

const (
	maxRepeats = 12                     // of a transaction that others' locks defeated: of two that meet, the same one may lose several times
	pause      = 100 * time.Millisecond // between attempts to reach a database that went away
)

// attempt makes one transaction of the calls. It sets the error of a call that
// failed by itself; the calls again are neither failed nor done, and are to be
// attempted alone. An error is everyone's, and means that nothing was committed,
// unless it is [ErrUnknown]. What was committed is returned as a flight.
func (w *writer) attempt(ctx context.Context, calls []*call) (again []*call, f *flight, err error) {
	ctx, cancel := w.engine.limit(ctx)
	defer cancel()
	for _, c := range calls {
		c.err = nil
	}
	if err := w.connect(ctx); err != nil {
		return nil, nil, err
	}
	if f, err := w.atOnce(ctx, calls); f != nil || err != nil {
		return nil, f, err
	}
	again, tail, err := w.apply(ctx, calls)
	if err != nil {
		w.rollback(ctx)
		return nil, nil, err
	}
	good := without(calls, again)
	if len(good) == 0 {
		w.rollback(ctx)
		return again, &flight{}, nil
	}
	entry, failed := w.seal(good, tail)
	if failed != nil { // its event cannot be written; what it demanded is in the transaction, so that has to go
		w.rollback(ctx)
		return append(again, without(good, []*call{failed})...), &flight{}, nil
	}
	f = &flight{good: good, entry: entry, before: w.tree, ended: make(chan struct{})}
	if f.revocations, err = w.revocations(ctx, good); err != nil {
		w.rollback(ctx)
		return nil, nil, err
	}
	f.number = greatest(f.revocations)
	if w.engine.shared() {
		w.db.feed.own.Store(f.number) // before others can see it
	}
	if err := w.finish(ctx, f); err != nil {
		return nil, nil, err
	}
	w.tree = entry.tree
	return again, f, nil
}

// atOnce makes the transaction in one step where that can be done and is likely to do: the
// log is as it was, and every demand is met. The flight is nil if it was not made.
func (w *writer) atOnce(ctx context.Context, calls []*call) (*flight, error) {
	if w.db.feed.peers.live() || !audited(calls) { // without an entry nobody could look up what became of it
		return nil, nil
	}
	if slices.ContainsFunc(calls, func(c *call) bool { return c.revokes || c.again || c.alone != nil }) {
		return nil, nil
	}
	demands, ok := w.engine.whole(w.session, calls)
	if !ok {
		return nil, nil
	}
	entry, failed := w.seal(calls, nil)
	if failed != nil {
		failed.err = nil // it may have a reason that comes before
		return nil, nil
	}
	f := &flight{good: calls, entry: entry, before: w.tree, ended: make(chan struct{}), atOnce: true}
	done, err := w.engine.atOnce(ctx, w.session, demands, entry.records, entry.tiles)
	if err == nil && !done {
		w.rollback(ctx)
		return nil, w.connect(ctx)
	}
	if err := w.ended(ctx, f, err); err != nil {
		return nil, err
	}
	w.tree = entry.tree
	return f, nil
}

// apply begins a transaction and meets the calls' demands in it.
func (w *writer) apply(ctx context.Context, calls []*call) (again []*call, tail []tlog.Hash, err error) {
	if calls[0].alone == nil {
		return w.engine.apply(ctx, w.session, calls, w.tree.Size())
	}
	for range maxRepeats {
		tail, err = w.applyAlone(ctx, calls[0])
		if err == nil || !w.engine.repeatable(err) {
			return nil, tail, err
		}
		w.rollback(ctx)
		if err := w.connect(ctx); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, err
}

// applyAlone runs a call that makes its own demands.
func (w *writer) applyAlone(ctx context.Context, c *call) ([]tlog.Hash, error) {
	s := w.session
	if err := w.engine.begin(ctx, s, false); err != nil {
		return nil, err
	}
	tx := &AloneTx{session: s}
	tx.now = w.db.cfg.Now()
	tx.exec = func(d demand) error { return s.meet(ctx, d) }
	var err error
	c.events, err = c.run(ctx, tx)
	switch {
	case errors.Is(err, errAbandoned): // nobody is there to run it again
	case tx.err != nil && w.engine.broken(s, tx.err):
		return nil, tx.err // the transaction's failure, whatever the call made of it
	case err == nil:
		err = tx.err
	}
	if c.err = err; err != nil {
		return nil, nil
	}
	c.revokes = tx.revokes
	if len(c.events) == 0 {
		return nil, nil
	}
	return w.engine.lock(ctx, s, w.tree.Size())
}

// run lets the caller's goroutine run the function of a call, so that whatever
// becomes of that goroutine, a panic for one, does not become of the writer.
func (c *call) run(ctx context.Context, tx *AloneTx) (events []audit.Event, err error) {
	finished := make(chan struct{})
	c.turns <- func() {
		defer close(finished)
		err = errAbandoned // unless alone returns
		events, err = c.alone(ctx, tx)
	}
	<-finished
	return events, err
}

var errAbandoned = errors.New("store: the call did not return")

// A logEntry is what a batch adds to the log.
type logEntry struct {
	records []audit.Record
	tiles   []audit.Tile
	tree    *audit.Tree // with the records
}

// seal makes the log's entries of the calls, behind those of others. If an event
// cannot be sealed its call is returned, with its error.
func (w *writer) seal(calls []*call, tail []tlog.Hash) (logEntry, *call) {
	e := logEntry{tree: w.tree.Clone()}
	for _, hash := range tail {
		e.tree.Append(hash) // whoever wrote the entries wrote their tiles
	}
	now := w.db.cfg.Now()
	sealer := w.db.log.sealing()
	for _, c := range calls {
		for _, event := range c.events {
			record, err := sealer.Seal(e.tree.Size()+1, now, event)
			if err != nil {
				c.err = err
				return logEntry{}, c
			}
			e.records = append(e.records, record)
			e.tiles = append(e.tiles, e.tree.Append(record.Hash)...)
		}
	}
	return e, nil
}

// revocations returns those that the feed has not seen, if one of the calls may
// have added to them, and announces them. It reads inside the transaction, so that
// nothing can come between a commit and the news of it.
func (w *writer) revocations(ctx context.Context, calls []*call) ([]Revocation, error) {
	if !slices.ContainsFunc(calls, func(c *call) bool { return c.revokes && c.err == nil }) {
		return nil, nil
	}
	fresh, err := w.db.feed.unseen(ctx, w.session)
	if err != nil || len(fresh) == 0 {
		return nil, err
	}
	return fresh, w.engine.announce(ctx, w.session, greatest(fresh))
}

// finish commits, and finds out what happened if the answer was lost.
func (w *writer) finish(ctx context.Context, f *flight) (err error) {
	f.durable, err = w.engine.finish(ctx, w.session, f.entry.records, f.entry.tiles)
	return w.ended(ctx, f, err)
}

// ended takes how a transaction with the flight's entries ended.
func (w *writer) ended(ctx context.Context, f *flight, err error) error {
	if err == nil {
		return nil
	}
	w.rollback(ctx)
	var lost *commitError
	if !errors.As(err, &lost) {
		return err
	}
	return w.outcome(f, lost.err)
}

// outcome returns nil if what was committed is there after all; otherwise why it is
// not, or that nobody knows.
func (w *writer) outcome(f *flight, why error) error {
	records := f.entry.records
	if len(records) == 0 { // nothing to look up; what is not audited may be repeated
		return fmt.Errorf("%w: %w", ErrUnknown, why)
	}
	committed, unreachable := w.lookUp(f)
	switch {
	case unreachable != nil:
		w.db.cfg.Log.Error("outcome of a commit is unknown", "entries", len(records), "first", records[0].Seq, "error", unreachable)
		return fmt.Errorf("%w: %w", ErrUnknown, why)
	case committed:
		return nil
	}
	return why
}

// lookUp asks the database whether it has the flight's first entry. It takes the log's
// lock first: the transaction in doubt holds it until it has ended one way or the other,
// unless it was sent at once, and the server has not come so far, or not even heard of it.
func (w *writer) lookUp(f *flight) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.patient)
	defer cancel()
	for {
		committed, err = w.has(ctx, f)
		if err == nil {
			return committed, nil
		}
		w.health.met(err, false, w.db.cfg.Log) // who asks is not to wait as long
		w.disconnect()
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(pause):
		}
	}
}

// has says whether the log has the flight's first entry. If it has not, it never will.
func (w *writer) has(ctx context.Context, f *flight) (bool, error) {
	if err := w.connect(ctx); err != nil {
		return false, err
	}
	if err := w.engine.begin(ctx, w.session, false); err != nil {
		return false, err
	}
	record := f.entry.records[0]
	tail, err := w.engine.lock(ctx, w.session, record.Seq-1)
	if err != nil {
		return false, err
	}
	if len(tail) == 0 && f.atOnce {
		return false, w.fence(ctx, f)
	}
	w.rollback(ctx)
	return len(tail) > 0 && tail[0] == record.Hash, nil
}

// fence ends a transaction, which has the log's lock and has found no entry of the flight,
// with an entry that takes the number of the flight's first: whatever the server may still
// hear of the flight cannot be committed any more.
func (w *writer) fence(ctx context.Context, f *flight) error {
	entry, failed := w.seal([]*call{{events: []audit.Event{{Action: "store.reconnect", Actor: self, Subject: "store", Outcome: "ok", Detail: map[string]any{
		"lost": len(f.entry.records), // entries that were sent, and are not on record
	}}}}}, nil)
	if failed != nil {
		return failed.err
	}
	if _, err := w.engine.finish(ctx, w.session, entry.records, entry.tiles); err != nil {
		return err
	}
	w.tree = entry.tree
	w.db.log.head.Store(entry.tree)
	return nil
}

// connect makes sure that there is a connection, and something to rely on behind it.
func (w *writer) connect(ctx context.Context) error {
	if err := w.engine.sound(); err != nil {
		return err
	}
	if w.flight == nil { // nobody is to be told yet what became of it
		w.engine.proved()
	}
	if w.session != nil {
		return nil
	}
	s, err := w.engine.connect(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	w.session = s
	return nil
}

// rollback ends the transaction, and gives the connection up if it cannot.
func (w *writer) rollback(ctx context.Context) {
	if w.session == nil {
		return
	}
	if err := w.engine.rollback(ctx, w.session); err != nil {
		w.disconnect()
	}
}

func (w *writer) disconnect() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}

// without returns the calls that have not failed and are not among others.
func without(calls, others []*call) []*call {
	good := make([]*call, 0, len(calls))
	skip := make(map[*call]bool, len(others))
	for _, c := range others {
		skip[c] = true
	}
	for _, c := range calls {
		if c.err == nil && !skip[c] {
			good = append(good, c)
		}
	}
	return good
}
