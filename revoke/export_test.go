package revoke

import "time"

// LimitEvents has deltas of more bytes than this announced by a pointer.
func (c *PublisherConfig) LimitEvents(bytes int) { c.maxEvent = bytes }

// ClockOf returns a clock that shows what now says, and never finds that wrong.
func ClockOf(now func() time.Time) *Clock {
	start := now()
	return newClock(now, func() time.Duration { return now().Sub(start) })
}
