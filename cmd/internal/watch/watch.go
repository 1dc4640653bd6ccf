package watch

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

const (
	look      = time.Second      // from one look at the logs to the next
	measuring = time.Minute      // from one measurement to the next
	saving    = 10 * time.Minute // from one snapshot to the next
	worst     = time.Minute      // at most, from a failure to the next try
	lastWork  = 30 * time.Second // to save what was learned, at the end
	rest      = 3                // times what a round took, where there is more to read
)

// Config is what a Watch works with. All but Lags and Memory is required.
type Config struct {
	Store     *store.DB
	Registrar *enroll.Registrar // does what policy says is to be done about alerts

	// Lags tells how far behind each receiver of the audit trail is. Nil: there are none.
	Lags func(context.Context) ([]Lag, error)

	// Name is how this daemon is called among those that share the store.
	Name string

	// Memory bounds what the rules remember, in bytes: see [alert.Config].
	Memory int64

	Now func() time.Time
	Log *slog.Logger
}

// A Lag is how far behind a receiver of the audit trail is.
type Lag struct {
	Sink string
	Age  time.Duration // of the oldest record that it has not taken; 0: it has all
}

// A Watch watches. Run is called once; the other methods may be called concurrently, on
// every daemon.
type Watch struct {
	Config
	stats atomic.Pointer[Stats]
}

// Stats are what a watch did since it began.
type Stats struct {
	alert.Stats
	Watching bool          // this daemon has the watch
	Behind   time.Duration // the age of the next entry to be read; 0: all are
}

// New returns a watch that Run begins.
func New(c Config) *Watch {
	w := &Watch{Config: c}
	w.stats.Store(new(Stats))
	return w
}

// Stats returns what the watch did.
func (w *Watch) Stats() Stats { return *w.stats.Load() }

// Run watches whenever this daemon is the eldest on its store, until ctx ends; it returns
// nil. What goes wrong is logged, and begun again from what is on record.
func (w *Watch) Run(ctx context.Context) error {
	pause := look
	for {
		if w.Store.Eldest() {
			switch err := w.watch(ctx); {
			case ctx.Err() != nil:
				return nil
			case err == nil:
				pause = look
			default:
				w.Log.WarnContext(ctx, "the watch over the log begins again", "error", err, "after", pause)
				pause = min(2*pause, worst)
			}
			w.stats.Store(new(Stats))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// watch has the watch until it fails, ctx ends, or another daemon is the eldest.
func (w *Watch) watch(ctx context.Context) error {
	s, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer w.publish(s, false)
	tick := time.NewTicker(look)
	defer tick.Stop()
	for w.Store.Eldest() {
		began := time.Now()
		more, err := s.round(ctx)
		if err == nil {
			err = s.due(ctx, !more)
		}
		if ctx.Err() != nil {
			return s.end(ctx)
		}
		if err != nil {
			return err
		}
		w.publish(s, true)
		wait := tick.C
		if more {
			wait = time.After(rest * time.Since(began))
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
	return nil
}

// due does what is due: what is measured, the time, what is to be done about alerts, and
// the snapshot. While entries wait, the time is theirs.
func (s *session) due(ctx context.Context, idle bool) error {
	now := s.Now()
	if now.Sub(s.measured).Abs() >= measuring {
		s.measured = now
		if idle {
			s.clock = now
		}
		if err := s.measure(ctx); err != nil {
			return err
		}
		s.add(s.engine.Tick(s.clock))
		if err := s.record(ctx); err != nil {
			return err
		}
		if err := s.note(ctx); err != nil {
			return err
		}
		if err := s.act(ctx); err != nil {
			return err
		}
	}
	if now.Sub(s.saved).Abs() < saving {
		return nil
	}
	s.saved = now
	return s.save(ctx)
}

// end saves what was learned, whatever has become of ctx.
func (s *session) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWork)
	defer cancel()
	if len(s.changes) > 0 {
		return nil // they are made again
	}
	err := s.save(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "what the watch over the log has learned since the last time was not saved", "error", err)
	}
	return err
}

// publish lets others know how it goes.
func (w *Watch) publish(s *session, watching bool) {
	w.stats.Store(&Stats{Stats: s.engine.Stats(), Watching: watching, Behind: s.behind()})
}
