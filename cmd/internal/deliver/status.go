package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/plain"
)

// A Status is how a sink is doing, as this process knows it.
type Status struct {
	Name, Kind, To string
	Journals       bool

	// Active says that this process delivers to it: of several on a database one does,
	// and what follows is zero with the others.
	Active bool

	Waiting int64         // entries that it has not been through, of all kinds
	Lag     time.Duration // since the oldest of them was recorded

	Sent, Refused, Failures uint64 // records taken, records passed over, batches that failed

	Failing time.Time // since when nothing is taken; zero: it is
	Trouble string    // why

	oldest time.Time
	noted  time.Time // when trouble was put in the store
	untold bool      // the store does not know of what was taken
}

// measureEvery is how often what waits is counted.
const measureEvery = 30 * time.Second

// measure counts what waits, until ctx ends.
func (f *feed) measure(ctx context.Context) {
	for ; ctx.Err() == nil; sleep(ctx, measureEvery) {
		if !f.Store.Eldest() {
			continue
		}
		b, err := f.Store.Backlog(ctx, f.Name, f.Journals)
		if err != nil {
			if ctx.Err() == nil {
				f.Log.WarnContext(ctx, "what waits for a sink was not counted", "sink", f.Name, "error", err)
			}
			continue
		}
		f.mu.Lock()
		f.status.Active, f.status.Waiting, f.status.oldest = true, b.Entries, b.Oldest
		f.mu.Unlock()
	}
}

func (f *feed) current() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	if !s.oldest.IsZero() {
		s.Lag = max(f.Now().Sub(s.oldest), 0)
	}
	return s
}

// leave notes that somebody else delivers.
func (f *feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.status
	s.Active, s.Waiting, s.oldest, s.Failing, s.Trouble = false, 0, time.Time{}, time.Time{}, ""
}

// resume takes over what is on record of a sink.
func (f *feed) resume(d store.Delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Failing, f.status.Trouble = d.Failing, d.Trouble
}

// idle notes that nothing waits for the sink, which then does not fail.
func (f *feed) idle(ctx context.Context) {
	f.mu.Lock()
	s := &f.status
	failed := !s.Failing.IsZero()
	s.Active, s.Waiting, s.oldest, s.Failing, s.Trouble, s.noted = true, 0, time.Time{}, time.Time{}, "", time.Time{}
	f.mu.Unlock()
	if failed {
		f.note(ctx, "")
	}
}

// told notes that the sink took records.
func (f *feed) told(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.status
	s.Sent += uint64(n)
	s.Failing, s.Trouble, s.noted, s.untold = time.Time{}, "", time.Time{}, true
}

// untold reports whether the sink took something that the store does not know of.
func (f *feed) untold() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status.untold
}

// noted notes that the store knows.
func (f *feed) noted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.untold = false
}

// passed notes that a record was passed over.
func (f *feed) passed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Refused++
}

// failed notes why nothing is taken, here and, once a minute, in the store.
func (f *feed) failed(ctx context.Context, err error) {
	text := plain.Clean(err.Error(), maxText)
	f.mu.Lock()
	s, now := &f.status, f.Now()
	s.Failures++
	first := s.Failing.IsZero()
	if first {
		s.Failing = now
	}
	news := s.noted.IsZero() || text != s.Trouble && now.Sub(s.noted) >= time.Minute
	s.Active, s.Trouble = true, text
	if news {
		s.noted = now
	}
	f.mu.Unlock()
	if first {
		f.Log.WarnContext(ctx, "the log is not delivered", "sink", f.Name, "to", f.To, "error", text)
	}
	if news {
		f.note(ctx, text)
	}
}

// note has the store know why nothing is taken; empty: something is.
func (f *feed) note(ctx context.Context, trouble string) {
	err := f.Store.Relaxed(ctx, func(tx *store.RelaxedTx) { tx.FailDelivery(f.Name, trouble) })
	if err != nil && !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
		f.Log.WarnContext(ctx, "how a sink is doing was not noted", "sink", f.Name, "error", err)
	}
}
