package enforcement

import (
	"context"
	"time"
)

// KeepEvery sets how often reports are written that nobody waits for.
func (c *Config) KeepEvery(d time.Duration) { c.keepEvery = d }

// Clock sets what is taken for the database's clock.
func (c *Config) Clock(now func() time.Time) {
	c.time = func(context.Context) (time.Time, error) { return now(), nil }
}

// Revoked is the greatest number of a revocation that is known here.
func (e *Registry) Revoked() int64 { return e.revoked.Load() }

// Stale says that another process has told of reports that are not read yet.
func (e *Registry) Stale() bool { return e.stale.Load() }

// Sample, Keep and Forget are what Run does from time to time.
func (e *Registry) Sample() { e.beat(context.Background()) }
func (e *Registry) Keep()   { e.keep(context.Background(), new(bool)) }
func (e *Registry) Forget() { e.forget(context.Background()) }
