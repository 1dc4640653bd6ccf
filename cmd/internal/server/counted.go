package server

import (
	"context"
	"sync"
	"time"
)

// countWait is how long a scrape waits for a count.
const countWait = 250 * time.Millisecond

// counted is something that may take a scan to know: the first time, since the store
// keeps what is work to count. A scrape has it counted, and does not wait for long: then
// it gets the count of before.
type counted[T any] struct {
	count func(context.Context) (T, error)
	group *sync.WaitGroup // of what runs
	keep  bool            // a count that took more than a moment is given for a hundred times as long

	mu      sync.Mutex
	running chan struct{} // closed when the count that runs ends; nil: none does
	value   T
	known   bool // value is there
	err     error
	made    time.Time // when the last count ended
	took    time.Duration
}

const (
	keptMoment = 10 * time.Millisecond
	keptShare  = 100
)

// get returns the newest count, and whether there is one.
func (c *counted[T]) get() (value T, known bool, err error) {
	c.mu.Lock()
	if c.keep && c.running == nil && c.took > keptMoment && time.Since(c.made) < keptShare*c.took {
		defer c.mu.Unlock()
		return c.value, c.known, c.err
	}
	if c.running == nil {
		c.running = make(chan struct{})
		c.group.Go(c.run)
	}
	running := c.running
	c.mu.Unlock()
	select {
	case <-running:
	case <-time.After(countWait):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.known, c.err
}

func (c *counted[T]) run() {
	begin := time.Now()
	value, err := c.count(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.running)
	c.running, c.err = nil, err
	c.made, c.took = time.Now(), time.Since(begin)
	if err == nil {
		c.value, c.known = value, true
	}
}
