package revoke

import "time"

// LimitEvents has deltas of more bytes than this announced by a pointer.
func (c *PublisherConfig) LimitEvents(bytes int) { c.maxEvent = bytes }

// SpreadAtOnce has a new number of shards in force as soon as their lists are there.
func (c *PublisherConfig) SpreadAtOnce() { c.spreadEvery, c.spreadAfter = 10*time.Millisecond, 0 }

// ShardsFor is shardsFor.
func ShardsFor(limit, certificates int) int { return shardsFor(limit, certificates) }

// ClockOf returns a clock that shows what now says, and never finds that wrong.
func ClockOf(now func() time.Time) *Clock {
	start := now()
	return newClock(now, func() time.Duration { return now().Sub(start) })
}
