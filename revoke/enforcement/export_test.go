package enforcement

import (
	"context"
	"time"
)

// KeepEvery sets how often reports are written that nobody waits for.
func (c *Config) KeepEvery(d time.Duration) { c.keepEvery = d }

// Revoked is the greatest number of a revocation that is known here.
func (e *Registry) Revoked() int64 { return e.revoked.Load() }

// Sample, Keep and Forget are what Run does from time to time.
func (e *Registry) Sample() { e.sample(e.Now()) }
func (e *Registry) Keep()   { e.keep(context.Background(), new(bool)) }
func (e *Registry) Forget() { e.forget(context.Background()) }
