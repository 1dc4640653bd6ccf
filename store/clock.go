package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrClock means that the clock cannot be right: it is far behind what is on
// record, far from the database server's, or it jumped. Nothing but revocations is
// recorded then: a certificate would begin in another time than its entry in the
// log, and a token that is out of time would be good again.
var ErrClock = InTrouble(TroubleClock, errors.New("store: the clock cannot be right"))

// maxSkew is how far clocks may be apart: what certificates are dated back by.
const maxSkew = 5 * time.Minute

// A clock compares this machine's clock with the log, and with one that only runs.
type clock struct {
	now    func() time.Time
	run    func() time.Duration // monotonic; nil: not compared
	begin  time.Time
	newest atomic.Int64 // when the newest entry was written, Unix milliseconds
	off    atomic.Int64 // milliseconds that it is ahead of the server's
}

// start begins to compare. A clock that a caller has made is not compared with the
// monotonic one.
func (c *clock) start(now func() time.Time, newest time.Time, ours bool) {
	c.now, c.begin = now, now().Round(0)
	c.newest.Store(newest.UnixMilli())
	if ours {
		start := time.Now()
		c.run = func() time.Duration { return time.Since(start) }
	}
}

// recorded moves the newest entry on. One that is made while the clock is known to be wrong,
// of a revocation, says nothing of the time: by one from the future a clock that was set
// right would be behind.
func (c *clock) recorded(at time.Time) {
	if at := at.UnixMilli(); at > c.newest.Load() && c.check() == nil {
		c.newest.Store(at)
	}
}

// check returns an [ErrClock] that says what is wrong, or nil.
func (c *clock) check() error {
	now := c.now().Round(0)
	if newest := fromMillis(c.newest.Load()); now.Before(newest.Add(-maxSkew)) {
		return fmt.Errorf("%w: it says %s, and the log's newest entry is of %s", ErrClock, stamp(now), stamp(newest))
	}
	if c.run == nil {
		return nil
	}
	if off := time.Duration(c.off.Load()) * time.Millisecond; apart(off) {
		return fmt.Errorf("%w: it is %s ahead of the database server's", ErrClock, off.Round(time.Second))
	}
	if drift := now.Sub(c.begin) - c.run(); apart(drift) {
		return fmt.Errorf("%w: it jumped by %s since the store was opened", ErrClock, drift.Round(time.Second))
	}
	return nil
}

func apart(d time.Duration) bool { return d > maxSkew || d < -maxSkew }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// compare takes the time of a server that others use, too; the zero time is none's.
// What is on record there may be others', and it is they that are wrong.
func (c *clock) compare(server time.Time) {
	if c.run != nil && !server.IsZero() {
		c.off.Store(c.now().Sub(server).Milliseconds())
	}
}

// askTime compares the clock before anything can be recorded by it; the writer goes on
// doing so. Where the store is of this process alone there is nobody to ask.
func (d *DB) askTime(ctx context.Context) error {
	if !d.engine.shared() {
		return nil
	}
	s, err := d.engine.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	server, err := d.engine.clock(ctx, s)
	if err != nil {
		return fmt.Errorf("asking the database server for the time: %w", err)
	}
	d.clock.compare(server)
	return nil
}
