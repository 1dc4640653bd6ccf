package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A company is what runs beside the server, and is waited for.
type company struct {
	ctx    context.Context
	cancel context.CancelFunc
	failed context.CancelCauseFunc

	group sync.WaitGroup
	mu    sync.Mutex
	err   error
}

// beside returns a company of nobody yet. If one of it fails, failed is called.
func beside(ctx context.Context, failed context.CancelCauseFunc) *company {
	c := &company{failed: failed}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// run runs f until end. It ought to return only then.
func (c *company) run(name string, f func(context.Context) error) {
	c.group.Go(func() {
		err := f(c.ctx)
		if err == nil && c.ctx.Err() == nil {
			err = errors.New("it ended")
		}
		if err == nil {
			return
		}
		err = fmt.Errorf("running %s: %w", name, err)
		c.mu.Lock()
		c.err = errors.Join(c.err, err)
		c.mu.Unlock()
		c.failed(err)
	})
}

// end ends all, and returns once they have ended.
func (c *company) end() error {
	c.cancel()
	c.group.Wait()
	return c.err
}
