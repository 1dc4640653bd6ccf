package server

import (
	"context"
	"sync"
	"time"
)

const (
	countEvery = time.Minute            // how old a count may be; counting a large store is work
	countShare = 20                     // a count is made for a twentieth of the time at most
	countWait  = 250 * time.Millisecond // how long a scrape waits for one
)

// counted is something that takes a scan to know. A scrape has it counted, and does
// not wait for long: of a large store it gets the count of before.
type counted[T any] struct {
	count func(context.Context) (T, error)
	group *sync.WaitGroup // of what runs

	mu      sync.Mutex
	running chan struct{} // closed when the count that runs ends; nil: none does
	ended   time.Time     // of the last one; zero: there was none
	took    time.Duration
	value   T
	known   bool // value is there
	err     error
}

// get returns the newest count, and whether there is one.
func (c *counted[T]) get() (value T, known bool, err error) {
	c.mu.Lock()
	if c.running == nil && (c.ended.IsZero() || time.Since(c.ended) >= max(countEvery, countShare*c.took)) {
		c.running = make(chan struct{})
		c.group.Go(c.run)
	}
	running := c.running
	c.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-time.After(countWait):
		}
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
	c.running, c.ended, c.took, c.err = nil, time.Now(), time.Since(begin), err
	if err == nil {
		c.value, c.known = value, true
	}
}
