package enforcement

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/store"
)

const (
	shareEvery = 100 * time.Millisecond // reports, with other processes
	readPause  = 50 * time.Millisecond  // between two looks at what they wrote
	readAgain  = 10 * time.Second       // of reports: those that were written late
	clockStep  = 250 * time.Millisecond // by which a clock was set, rather than read slowly
)

// Notices of other processes: "changed ID", and "refused ID IDENTITY". An ID is a
// Registry's: its own are none to it.
const (
	topicReports  = "reports"
	noticeChanged = "changed"
	noticeRefused = "refused"
)

// tell has other processes read the store, or know what was put on record. What they
// do not hear they find by themselves.
func (e *Registry) tell(ctx context.Context, what, about string) {
	if !e.Store.Shared() {
		return
	}
	if err := e.Store.Notify(ctx, topicReports, strings.TrimSpace(what+" "+e.id+" "+about)); err != nil {
		e.Log.DebugContext(ctx, "telling of reports", "error", err)
	}
}

// notice hears other processes, in the feed's goroutine.
func (e *Registry) notice(payload string) {
	what, rest, _ := strings.Cut(payload, " ")
	id, about, _ := strings.Cut(rest, " ")
	if id == e.id {
		return
	}
	if what == noticeRefused {
		e.newLie(about, e.Now())
		return
	}
	e.stale.Store(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watches {
		select {
		case w.told <- struct{}{}:
		default:
		}
	}
}

// catchUp takes over what other processes have heard, unless nothing was told since
// that was last done, less than so long ago.
func (e *Registry) catchUp(ctx context.Context, age time.Duration) error {
	if !e.Store.Shared() {
		return nil
	}
	e.reading.Lock()
	defer e.reading.Unlock()
	e.mu.Lock()
	fresh := e.Now().Sub(e.readAt) < age
	e.mu.Unlock()
	if !e.stale.Swap(false) && fresh {
		return nil
	}
	err := e.refresh(ctx)
	if err != nil {
		e.stale.Store(true)
	}
	return err
}

// An offset is how far the database's clock is ahead of ours. Reports are on record by
// that, since processes may have clocks that differ. It stays as it is until one of them
// is set, so that what was written is read as it was.
type offset struct{ ahead atomic.Int64 }

// look asks for the database's time.
func (o *offset) look(ctx context.Context, ours func() time.Time, theirs func(context.Context) (time.Time, error)) error {
	begin := ours()
	there, err := theirs(ctx)
	if err != nil {
		return err
	}
	ahead := there.Sub(begin.Add(ours().Sub(begin) / 2))
	if step := ahead - time.Duration(o.ahead.Load()); step > clockStep || step < -clockStep {
		o.ahead.Store(int64(ahead))
	}
	return nil
}

// there returns our time as the database has it.
func (o *offset) there(ours time.Time) time.Time {
	return ours.Add(time.Duration(o.ahead.Load()))
}

// outgoing returns a report as it is put on record, incoming one as we heard it.
func (o *offset) outgoing(r store.EnforcementReport) store.EnforcementReport {
	return moved(r, time.Duration(o.ahead.Load()))
}

func (o *offset) incoming(r store.EnforcementReport) store.EnforcementReport {
	return moved(r, -time.Duration(o.ahead.Load()))
}

func moved(r store.EnforcementReport, by time.Duration) store.EnforcementReport {
	r.Reported, r.FirstSeen = r.Reported.Add(by), r.FirstSeen.Add(by)
	return r
}
