package revoke

import (
	"context"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

// LimitEvents has deltas of more bytes than this announced by a pointer.
func (c *PublisherConfig) LimitEvents(bytes int) { c.maxEvent = bytes }

// DatabaseTime sets what is taken for the database's clock.
func (c *PublisherConfig) DatabaseTime(now func() time.Time) {
	c.time = func(context.Context) (time.Time, error) { return now(), nil }
}

// SpreadAtOnce has a new number of shards in force as soon as their lists are there.
func (c *PublisherConfig) SpreadAtOnce() { c.spreadEvery, c.spreadAfter = 10*time.Millisecond, 0 }

// ShardsFor is shardsFor.
func ShardsFor(limit, certificates int) int { return shardsFor(limit, certificates) }

// Seal is seal.
func (p *Publisher) Seal(t crl.Template, set crl.Set) (*Document, error) { return p.seal(t, set) }

// SignDelta is signDelta, of a Publisher that does not run.
func (p *Publisher) SignDelta(ctx context.Context) error { return p.signDelta(ctx) }

// SignFull signs a full list and serves what comes of it, of a Publisher that does not run.
func (p *Publisher) SignFull(ctx context.Context) error {
	number, err := p.numbers.take(ctx)
	if err != nil {
		return err
	}
	list := p.signFull(ctx, number)
	if list.doc != nil {
		p.useFull(list)
	}
	return list.err
}

// Newer returns the list of a kind that is on record, if it is one to be served; of a
// Publisher that does not run.
func (p *Publisher) Newer(ctx context.Context, kind string) (*Document, error) {
	t, err := p.taking(ctx)
	if err != nil {
		return nil, err
	}
	doc, _, err := t.newer(ctx, kind, nil)
	return doc, err
}

// JumpingClock returns a clock that shows what now says, and finds it wrong when it
// jumps.
func JumpingClock(now func() time.Time) *Clock {
	start := time.Now()
	return newClock(now, func() time.Duration { return time.Since(start) })
}

// ClockOf returns a clock that shows what now says, and never finds that wrong.
func ClockOf(now func() time.Time) *Clock {
	start := now()
	return newClock(now, func() time.Duration { return now().Sub(start) })
}
