package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// lastQuarter is the part of a certificate's life in which it should have been renewed:
// machines renew after two thirds.
const lastQuarter = 4

// measure gives the rules what no entry says.
func (s *session) measure(ctx context.Context) error {
	now := s.Now()
	if err := s.Store.PruneAlerts(ctx, now.Add(-kept), 100); err != nil {
		return err
	}
	if s.Lags != nil {
		lags, err := s.Lags(ctx)
		if err != nil {
			return fmt.Errorf("asking how far behind the receivers of the audit trail are: %w", err)
		}
		for _, l := range lags {
			s.add(s.engine.Observe(alert.Fact{Kind: alert.Lag, At: now, Other: l.Sink, Age: l.Age}))
		}
	}
	switch signed, err := s.Store.LatestCheckpoint(ctx); {
	case err == nil:
		s.add(s.engine.Observe(alert.Fact{Kind: alert.Checkpoint, At: now, Age: now.Sub(signed.At)}))
	case !errors.Is(err, store.ErrNotFound): // there is none in the first minute
		return err
	}
	return s.lives(ctx, now)
}

// lives gives the rules the last count of all lives, once: it costs a row for each role and
// site, however many machines there are.
func (s *session) lives(ctx context.Context, now time.Time) error {
	counts, err := s.Store.LifeCounts(ctx)
	if err != nil || len(counts) == 0 || counts[0].Counted.Equal(s.counted) {
		return err
	}
	s.counted = counts[0].Counted
	roles, sites := map[string]int64{}, map[string]*alert.Fact{}
	for _, c := range counts {
		roles[c.Role] += c.Active
		f := sites[c.Site]
		if f == nil {
			f = &alert.Fact{Kind: alert.Unrenewed, At: now, Site: c.Site}
			sites[c.Site] = f
		}
		f.Of += c.Active
		f.Count += s.late(c)
		if c.First != "" && (f.Other == "" || c.FirstAt.Before(f.Ends)) {
			f.Other, f.Ends = c.First, c.FirstAt
		}
	}
	for role, n := range roles {
		s.add(s.engine.Observe(alert.Fact{Kind: alert.Census, At: now, Other: role, Count: n}))
	}
	for _, f := range sites {
		s.add(s.engine.Observe(*f))
	}
	return nil
}

// late returns how many of a count have certificates in the last quarter of the life that
// their role gives them now.
func (s *session) late(c store.LifeCount) int64 {
	role, known := s.Registrar.Policies.Current().Role(c.Role)
	var ends enroll.Ends
	if err := ends.UnmarshalBinary(c.Ends); err != nil || !known {
		return 0
	}
	return int64(ends.Total() - min(ends.After(role.Lifetime/lastQuarter), ends.Total()))
}
