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

	mu      sync.Mutex
	running chan struct{} // closed when the count that runs ends; nil: none does
	value   T
	known   bool // value is there
	err     error
}

// get returns the newest count, and whether there is one.
func (c *counted[T]) get() (value T, known bool, err error) {
	c.mu.Lock()
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
	value, err := c.count(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.running)
	c.running, c.err = nil, err
	if err == nil {
		c.value, c.known = value, true
	}
}
