// Package turns gives renewals their turn when more machines come than can be served, as
// after an outage: nearest expiry first, so many at once that others are served as well,
// and to those for whom there is no room a time to come back, a different one each. It
// knows nothing of certificates but when they end, and counts in one process: of n
// replicas each has a queue of its own.
package turns

import (
	"container/heap"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// Config says how many there may be. Zero fields have the default.
type Config struct {
	// Running is how many are served at once. Default 16: a group commit takes as many
	// in one go, and a core is left for those who do not renew.
	Running int
	// Waiting is how many wait for that, each with its connection open. Default 512.
	Waiting int
	// Each is how many of those, served or waiting, may be one machine's where others would
	// have to wait for it. Default 4: more is nobody who lost a reply, and with a certificate
	// that ends soon would be served before all others.
	Each int
	// Patience is the longest that one waits. Default 5 s.
	Patience time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// A BusyError sends somebody away until later.
type BusyError struct {
	RetryAfter time.Duration // 1 s to 1 h; at most half of what is left of the certificate
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("too many machines renew at the moment; try again in %s", e.RetryAfter.Round(time.Second))
}

const (
	minRetry = time.Second
	maxRetry = time.Hour

	firstRate = 100 // per second, before anything was measured
)

// A Queue is where they come. Its methods may be called concurrently.
type Queue struct {
	conf Config

	mu      sync.Mutex
	running int
	waiting waiters
	present map[string]int // served or waiting, by machine; none is 0
	next    time.Time      // from when on nobody has been told to come back yet
	rate    float64        // leavings per second, smoothed
	counted int            // leavings since
	since   time.Time

	away int64 // sent away, ever
}

// New returns an empty queue.
func New(c Config) *Queue {
	if c.Running == 0 {
		c.Running = 16
	}
	if c.Waiting == 0 {
		c.Waiting = 512
	}
	if c.Each == 0 {
		c.Each = 4
	}
	if c.Patience == 0 {
		c.Patience = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Queue{conf: c, rate: firstRate, present: make(map[string]int)}
}

// Enter returns when it is the turn of the machine of that name whose certificate ends then;
// leave must be called once it has been served. It returns a [*BusyError] if there is no room
// for it, it is there too often already, nearer ends took its place or its patience is over,
// and ctx's error. One whose certificate has ended already comes after those who still have a
// day to lose.
func (q *Queue) Enter(ctx context.Context, who string, end time.Time) (leave func(), err error) {
	if !q.admit(who) { // which is nobody else's matter, nor when others shall come back
		return nil, &BusyError{RetryAfter: max(q.conf.Patience, minRetry)}
	}
	if err := q.enter(ctx, end); err != nil {
		q.dismiss(who)
		return nil, err
	}
	return func() { q.leave(); q.dismiss(who) }, nil
}

// admit counts one more of a machine, unless it is there too often, and others would have to
// wait for it.
func (q *Queue) admit(who string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	idle := q.running < q.conf.Running && len(q.waiting) == 0
	if q.present[who] >= q.conf.Each && !idle {
		q.away++
		return false
	}
	q.present[who]++
	return true
}

func (q *Queue) dismiss(who string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.present[who]--; q.present[who] == 0 {
		delete(q.present, who)
	}
}

// enter returns nil when it is the caller's turn.
func (q *Queue) enter(ctx context.Context, end time.Time) error {
	w := q.join(end)
	if w == nil {
		return nil
	}
	patience := time.NewTimer(q.conf.Patience)
	defer patience.Stop()
	select {
	case <-w.turn:
	case <-patience.C:
		q.giveUp(w)
	case <-ctx.Done():
		q.giveUp(w)
		if !w.served {
			return context.Cause(ctx)
		}
	}
	if !w.served {
		return q.later(end)
	}
	return nil
}

// join returns nil if it is the caller's turn at once.
func (q *Queue) join(end time.Time) *waiter {
	now := q.conf.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running < q.conf.Running && len(q.waiting) == 0 {
		q.running++
		return nil
	}
	w := &waiter{urgent: end, turn: make(chan struct{})}
	if !end.After(now) {
		w.urgent = now.Add(24 * time.Hour)
	}
	heap.Push(&q.waiting, w)
	if len(q.waiting) > q.conf.Waiting {
		last := q.waiting[0]
		for _, other := range q.waiting {
			if other.urgent.After(last.urgent) {
				last = other
			}
		}
		heap.Remove(&q.waiting, last.index)
		close(last.turn) // which it is not: served is false
	}
	return w
}

// giveUp takes a waiter out of the queue, unless its turn came just now.
func (q *Queue) giveUp(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&q.waiting, w.index)
	}
}

// leave ends a turn, and begins the next.
func (q *Queue) leave() {
	now := q.conf.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.measure(now)
	if len(q.waiting) == 0 {
		q.running--
		return
	}
	w := heap.Pop(&q.waiting).(*waiter)
	w.served = true
	close(w.turn)
}

// measure counts a leaving, and once a second what that makes.
func (q *Queue) measure(now time.Time) {
	if q.since.IsZero() || now.Before(q.since) {
		q.since = now
	}
	q.counted++
	if span := now.Sub(q.since); span >= time.Second {
		// Only a full queue shows what can be served.
		if q.running == q.conf.Running {
			q.rate += (float64(q.counted)/span.Seconds() - q.rate) / 4
		}
		q.counted, q.since = 0, now
	}
}

// later says when somebody who was sent away shall come back: each a place behind the one
// before, at half of what can be served, since others come as well.
func (q *Queue) later(end time.Time) *BusyError {
	now := q.conf.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away++
	if q.next.Before(now) {
		q.next = now
	}
	place := time.Duration(float64(time.Second) / max(q.rate/2, 1))
	if q.next = q.next.Add(place); q.next.Sub(now) > maxRetry {
		q.next = now.Add(maxRetry) // who comes now is spread over the whole hour, by the jitter
	}
	wait := q.next.Sub(now)
	wait = wait/2 + jitter(wait)
	if left := end.Sub(now); left > 0 {
		wait = min(wait, left/2)
	}
	return &BusyError{RetryAfter: min(max(wait, minRetry), maxRetry)}
}

// jitter picks from [0, most).
func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	var b [8]byte
	rand.Read(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(most))
}

// Stats returns how many are served and wait now, and how many were ever sent away.
func (q *Queue) Stats() (running, waiting int, away int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running, len(q.waiting), q.away
}
