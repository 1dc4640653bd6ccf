package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// aliveEvery is how often a transaction shows that it is not forgotten: the server ends one
// that is silent for 10 s, since its client may be gone.
const aliveEvery = 2 * time.Second

// during runs f, which takes its time and does not use the session, and keeps the session's
// transaction meanwhile. If that is lost, f's ctx ends.
func (e *postgres) during(ctx context.Context, s *session, f func(context.Context) error) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	done := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() {
		tick := time.NewTicker(e.alive)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if _, err := s.exec(ctx, `SELECT 1`); err != nil {
				lost(err)
				return
			}
		}
	})
	err := f(ctx)
	close(done)
	alive.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// during has nothing to keep: SQLite's file waits.
func (e *sqlite) during(ctx context.Context, _ *session, f func(context.Context) error) error {
	return f(ctx)
}
