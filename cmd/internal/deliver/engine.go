package deliver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/atna"
)

// Config is what an Engine works with. Every field is required but Site and Address.
type Config struct {
	Store   *store.DB
	Outlets []Outlet

	Source atna.Source // of the CA's log
	// TrustDomain is of the SPIFFE IDs of guards.
	TrustDomain string

	Now func() time.Time
	Log *slog.Logger
}

// An Outlet is a sink and what goes to it.
type Outlet struct {
	// Name is what cursors are kept under: a sink that gets another one begins anew. 1 to
	// 64 of a-z, 0-9 and '-'.
	Name string
	// Kind and To say what it is for people: "webhook", "https://siem.hospital.example".
	// To holds no secret.
	Kind, To string

	// Sink takes the records. The engine closes it when it ends.
	Sink Sink

	// Events are the actions that it gets; none: all.
	Events Patterns
	// Journals says whether it gets what guards ship, too.
	Journals bool
	// Batch is how many records the sink gets at a time, at most. 0: 200. It is for sinks
	// whose rate hangs on it.
	Batch int
	// All has a sink that was not there before begin with everything on record, and not
	// with what comes from then on.
	All bool
}

// Alerts reports whether the sink is told of alerts.
func (o Outlet) Alerts() bool { return o.Events.Match("alert.open") }

// An Engine delivers. Its methods may be called concurrently; Run once.
type Engine struct {
	feeds []*feed
}

// New returns an Engine that does nothing yet.
func New(c Config) *Engine {
	e := &Engine{}
	for _, o := range c.Outlets {
		if o.Batch == 0 {
			o.Batch = maxBatch
		}
		e.feeds = append(e.feeds, &feed{Config: c, Outlet: o, status: Status{Name: o.Name, Kind: o.Kind, To: o.To, Journals: o.Journals}})
	}
	return e
}

// Run delivers until ctx ends, and closes the sinks. What a sink does not take is no
// error.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	closed := make([]error, len(e.feeds))
	for i, f := range e.feeds {
		wg.Go(func() { closed[i] = f.runAll(ctx) })
		wg.Go(func() { f.measure(ctx) })
	}
	wg.Wait()
	<-ctx.Done() // where there is no sink, too
	return errors.Join(closed...)
}

// Status says how each sink is doing, in the order of the configuration.
func (e *Engine) Status() []Status {
	all := make([]Status, len(e.feeds))
	for i, f := range e.feeds {
		all[i] = f.current()
	}
	return all
}
