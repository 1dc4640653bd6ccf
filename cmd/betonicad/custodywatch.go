package main

import (
	"context"
	"fmt"
)

// listen has the custody hear of other replicas' deposits until the returned function
// ends it.
func (c *custody) listen() (stop func()) {
	if c == nil {
		return func() {}
	}
	return c.store.OnNotice(keysTopic, func(string) {
		select {
		case c.word <- struct{}{}:
		default:
		}
	})
}

// heard is told when stale may say something new.
func (c *custody) heard() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.word
}

// stale says whether there is a deposit that settle has not looked at.
func (c *custody) stale(ctx context.Context) bool {
	if c == nil {
		return false
	}
	version, err := c.store.DepositVersion(ctx)
	return err == nil && version != c.tried // without a store others have worse to say
}

// unsettled says that settle has failed, and is to be tried again.
func (c *custody) unsettled() bool { return c != nil && c.failed }

// Health says why this host goes on with other keys than the others, or nil. It may be
// called concurrently.
func (c *custody) Health() error {
	if c == nil {
		return nil
	}
	if err := c.trouble.Load(); err != nil {
		return fmt.Errorf("the keys that another replica deposited are not taken over: %w", *err)
	}
	return nil
}
