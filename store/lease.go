package store

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// leaseTime is how long after it asked what was revoked a process may answer
	// from what it knows.
	leaseTime = 500 * time.Millisecond

	// leaseSlack is how much longer others wait: clocks do not run equally fast.
	leaseSlack = 20 * time.Millisecond

	// renewEvery is how often a process asks when it hears nothing.
	renewEvery = 150 * time.Millisecond
)

// A lease is a process's right to answer from memory about what is revoked. It is
// counted from the moment at which the process asked the database, on its own
// monotonic clock: 500 ms after a revocation was committed, whoever has a lease has
// asked since, and so has heard of it. No other clock matters.
type lease struct {
	base  time.Time    // with the monotonic clock
	until atomic.Int64 // nanoseconds after base; 0: none
}

// now returns the monotonic time since the store was opened.
func (l *lease) now() time.Duration { return time.Since(l.base) }

// extend has the lease last from when the process asked. What it was answered must
// have been delivered.
func (l *lease) extend(asked time.Duration) { l.until.Store(int64(asked + leaseTime)) }

// forever is the lease of a process that is alone.
func (l *lease) forever() { l.until.Store(math.MaxInt64) }

func (l *lease) end() { l.until.Store(0) }

func (l *lease) over() bool { return int64(l.now()) >= l.until.Load() }

// Lapsed says that this process may not know of what others revoked more than 500
// ms ago: the database does not answer it, or the process stood still. Whoever
// answers from memory about certificates asks before each answer, and does not
// answer while it is so. It ends by itself, once everything has been read and the
// hooks of [DB.OnRevoked] have been called. On SQLite it is never so.
//
// It costs two loads and a look at the clock. A machine whose monotonic clock stops
// while it is suspended may go on for the rest of the lease after it wakes.
func (d *DB) Lapsed() bool { return d.feed.lease.over() }
