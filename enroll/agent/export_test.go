package agent

import (
	"testing"
	"time"
)

// WithStep makes step see each change to a file before it is made.
func WithStep(c Config, step func(op, path string) error) Config {
	c.step = step
	return c
}

// WithUptime gives the agent a clock that nobody sets.
func WithUptime(c Config, uptime func() time.Duration) Config {
	c.uptime = uptime
	return c
}

// SetStamp makes this program one that was linked at that time.
func SetStamp(t *testing.T, at time.Time) {
	old := stamped
	stamped = at.UTC().Format(time.RFC3339)
	t.Cleanup(func() { stamped = old })
}

var PollAfter = pollAfter

// DeniedAfter is how long the agent leaves a CA alone that said no so many times.
func DeniedAfter(times int, now time.Time, err error, left time.Duration) time.Duration {
	b := backoff{failures: times}
	return b.denied(now, err, left).Sub(now)
}
