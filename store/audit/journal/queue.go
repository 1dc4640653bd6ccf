package journal

import (
	"context"
	"sync"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// A call is an entry that waits to be written. It is answered once.
type call struct {
	event audit.Event
	done  chan error
}

// maxWaiting bounds the calls that wait for the writer.
const maxWaiting = 4096

// A queue holds the calls that wait. Whoever adds one wakes nobody, unless the writer waits
// for just that one: a wake for each would cost more than to write the entry.
type queue struct {
	places chan struct{} // has one for each call that waits
	calls  sync.Pool     // of *call
	enough chan struct{} // what the writer waits for is there

	mu      sync.Mutex
	waiting []*call
	last    time.Time // when the last of them came
	want    int       // how many are enough; 0: nobody waits
}

func newQueue() queue {
	return queue{
		places: make(chan struct{}, maxWaiting), enough: make(chan struct{}, 1),
		calls: sync.Pool{New: func() any { return &call{done: make(chan error, 1)} }},
	}
}

// enter takes a place, and waits for one no longer than ctx, and until stopped.
func (q *queue) enter(ctx context.Context, stopped <-chan struct{}) error {
	select {
	case q.places <- struct{}{}:
		return nil
	default:
	}
	select {
	case q.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-stopped:
		return ErrClosed
	}
}

// add adds a call, which has a place.
func (q *queue) add(c *call) {
	q.mu.Lock()
	q.waiting = append(q.waiting, c)
	q.last = time.Now()
	told := q.want > 0 && len(q.waiting) >= q.want
	if told {
		q.want = 0
	}
	q.mu.Unlock()
	if told {
		q.tell()
	}
}

func (q *queue) tell() {
	select {
	case q.enough <- struct{}{}:
	default: // it was told, if too early: who waits looks again
	}
}

// take adds to a batch what waits, and returns when the last of all came.
func (q *queue) take(batch []*call) ([]*call, time.Time) {
	q.mu.Lock()
	n := min(len(q.waiting), maxBatch-len(batch))
	batch = append(batch, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	last := q.last
	q.mu.Unlock()
	for range n {
		<-q.places
	}
	return batch, last
}

// await returns what is told when n more wait.
func (q *queue) await(n int) <-chan struct{} {
	select {
	case <-q.enough: // of a wait that is over
	default:
	}
	q.mu.Lock()
	there := len(q.waiting) >= n
	if q.want = n; there {
		q.want = 0
	}
	q.mu.Unlock()
	if there {
		q.tell()
	}
	return q.enough
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}
