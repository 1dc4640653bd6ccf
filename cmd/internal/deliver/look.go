package deliver

import (
	"context"
	"time"

	"github.com/betonica/betonica/store"
)

// deliveries are what knows how far sinks are: a store, or what inspects one.
type deliveries interface {
	Deliveries(ctx context.Context) ([]store.Delivery, error)
	Backlog(ctx context.Context, sink string, journals bool) (store.Backlog, error)
}

// A Standing is how a sink is doing, as the store knows it: whichever process asks, and
// whether one delivers or not.
type Standing struct {
	store.Delivery // Begun is zero if nothing was ever delivered to it
	store.Backlog
	Lag time.Duration // since the oldest entry was recorded that it has not taken
}

// Look returns how the sinks of outlets are doing, in their order, and those that are on
// record and not among them. That nothing of a filtered log is for a sink is known after
// some seconds: until then it is behind by as much.
func Look(ctx context.Context, from deliveries, outlets []Outlet, now time.Time) (all []Standing, others []store.Delivery, err error) {
	known, err := from.Deliveries(ctx)
	if err != nil {
		return nil, nil, err
	}
	byName := map[string]store.Delivery{}
	for _, one := range known {
		byName[one.Sink] = one
	}
	for _, o := range outlets {
		s := Standing{Delivery: byName[o.Name]}
		delete(byName, o.Name)
		if s.Begun.IsZero() {
			s.Sink = o.Name
			all = append(all, s)
			continue
		}
		if s.Backlog, err = from.Backlog(ctx, o.Name, o.Journals); err != nil {
			return nil, nil, err
		}
		if !s.Oldest.IsZero() {
			s.Lag = max(now.Sub(s.Oldest), 0)
		}
		all = append(all, s)
	}
	for _, one := range known {
		if _, other := byName[one.Sink]; other {
			others = append(others, one)
		}
	}
	return all, others, nil
}
