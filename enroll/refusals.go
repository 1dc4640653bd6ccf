package enroll

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Bounds of what strangers may write into the log, which is kept for ever.
const (
	refusalsWaiting = 256                    // in memory
	refusalsPace    = 100 * time.Millisecond // at least, from one entry to the next
	refusalsSummary = 10 * time.Second       // at least, from one count of the dropped to the next
	refusalsFlush   = 5 * time.Second        // at most, to write what waits at the end
	refusalsAtOnce  = 64                     // entries then
)

// refusals records that strangers were refused, without letting them decide how
// fast the log grows: events beyond the bounds are counted, and the count is
// recorded.
type refusals struct {
	store   *store.DB
	log     *slog.Logger
	waiting chan audit.Event
	dropped atomic.Int64
}

func newRefusals(db *store.DB, log *slog.Logger) *refusals {
	return &refusals{store: db, log: log, waiting: make(chan audit.Event, refusalsWaiting)}
}

// add puts e on its way into the log. It never blocks.
func (q *refusals) add(e audit.Event) {
	select {
	case q.waiting <- e:
	default:
		q.dropped.Add(1)
	}
}

// run writes what was added until ctx ends, and then what is left.
func (q *refusals) run(ctx context.Context) error {
	// What is being written when ctx ends has its time, too.
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(refusalsFlush, cancel) })()
	summarized := time.Now().Add(-refusalsSummary)
	for ctx.Err() == nil {
		var due <-chan time.Time
		if q.dropped.Load() > 0 {
			due = time.After(time.Until(summarized.Add(refusalsSummary)))
		}
		select {
		case <-ctx.Done():
			continue
		case e := <-q.waiting:
			q.write(late, e)
		case <-due:
			q.summarize(late)
			summarized = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(refusalsPace):
		}
	}
	for q.flush(late) {
	}
	// What there was no time for is counted, which has a time of its own.
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), refusalsFlush)
	defer cancelLast()
	q.summarize(last)
	return nil
}

// flush writes some of what waits at once, so that it shares a commit, and reports whether there was
// anything.
func (q *refusals) flush(ctx context.Context) bool {
	var some []audit.Event
	for len(some) < refusalsAtOnce {
		select {
		case e := <-q.waiting:
			some = append(some, e)
			continue
		default:
		}
		break
	}
	if len(some) == 0 {
		return false
	}
	var all sync.WaitGroup
	for _, e := range some {
		all.Go(func() { q.write(ctx, e) })
	}
	all.Wait()
	return true
}

// write records e; one that the store does not take is counted as dropped.
func (q *refusals) write(ctx context.Context, e audit.Event) {
	if err := q.store.Update(ctx, func(*store.Tx) audit.Event { return e }); err != nil {
		q.dropped.Add(1)
		q.log.ErrorContext(ctx, "recording a refusal", "action", e.Action, "err", err)
	}
}

// summarize records how many events were dropped since the last time.
func (q *refusals) summarize(ctx context.Context) {
	n := q.dropped.Swap(0)
	if n == 0 {
		return
	}
	err := q.store.Update(ctx, func(*store.Tx) audit.Event {
		return audit.Event{Action: "refusals.dropped", Actor: selfActor, Outcome: "ok", Detail: map[string]any{"count": n}}
	})
	if err != nil {
		q.dropped.Add(n)
		q.log.ErrorContext(ctx, "recording refusals dropped", "count", n, "err", err)
	}
}

// stranger is the actor of events whose actor nobody knows.
const stranger = "stranger"

// refuseStranger records that somebody who could not say who he is was refused. The
// subject is what he spoke of, if there is such a thing; reason is ReasonToken or
// ReasonCertificate.
func (r *Registrar) refuseStranger(ctx context.Context, reason Reason, subject string, from netip.Addr, why string) {
	r.tally.refuse(reason)
	r.refusals.add(audit.Event{
		Action: string(reason) + ".refuse", Actor: stranger, Subject: subject, Address: address(from), Outcome: why, RequestID: RequestID(ctx),
	})
}
