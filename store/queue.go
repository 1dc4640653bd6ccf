package store

import (
	"context"
	"slices"
	"sync"

	"github.com/betonica/betonica/store/audit"
)

// A call is one write on its way through the writer: either the demands that
// were collected, or alone, a function that makes its own.
type call struct {
	demands   []demand
	alone     func(context.Context, *AloneTx) ([]audit.Event, error)
	events    []audit.Event // none: not audited
	revokes   bool          // may have written revocations
	relaxed   bool          // need not wait for the disk
	essential bool          // may use the last of the disk
	again     bool          // failed among others

	number int64 // greatest CRL number that its transaction took, if it revoked

	err   error
	turns chan func()   // what the caller's goroutine is to run for the writer
	done  chan struct{} // closed once err is final
}

// relaxed says whether none of the calls has to be on disk.
func relaxed(calls []*call) bool {
	return !slices.ContainsFunc(calls, func(c *call) bool { return !c.relaxed })
}

// audited says whether one of the calls has entries for the log.
func audited(calls []*call) bool {
	return slices.ContainsFunc(calls, func(c *call) bool { return len(c.events) > 0 })
}

// await runs what the writer hands over until the call is answered.
func (c *call) await() error {
	for {
		select {
		case turn := <-c.turns:
			turn()
		case <-c.done:
			return c.err
		}
	}
}

// A queue holds the calls that wait for the writer. It has no bound of its own:
// each call is a caller that waits.
type queue struct {
	mu     sync.Mutex
	calls  []*call
	closed bool
	wake   chan struct{} // holds one token if there may be something to take
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds a call, or returns [ErrClosed].
func (q *queue) put(c *call) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	q.calls = append(q.calls, c)
	q.mu.Unlock()
	q.signal()
	return nil
}

// take returns all that waits, appended to calls, and whether the queue is
// closed.
func (q *queue) take(calls []*call) ([]*call, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	calls = append(calls, q.calls...)
	clear(q.calls)
	q.calls = q.calls[:0]
	return calls, q.closed
}

// close refuses further calls.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// depth returns the number of calls that wait.
func (q *queue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.calls)
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
