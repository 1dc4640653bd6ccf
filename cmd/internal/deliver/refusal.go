package deliver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
)

const (
	actionBegin  = "delivery.begin"
	actionRefuse = "delivery.refuse"

	maxText = 300 // bytes of what a receiver said

	refusals  = 5 // of a record before it is passed over
	minRefuse = time.Minute
	maxRefuse = 24 * time.Hour
)

// A refusal is the record that a receiver refuses at present.
type refusal struct {
	origin string
	seq    int64
	tries  int
	since  time.Time
	row    int // records that were passed over since it took one
}

// pass looks whether the record that a sink did not take is to be passed over, and does
// so. It returns nil if the next one may be tried at once, and else what to wait for.
func (f *feed) pass(ctx context.Context, log string, kept, at *int64, err error) error {
	failure, of := errors.AsType[*sinkError](err)
	refused, is := errors.AsType[*RefusedError](err)
	if !of || !is {
		return err
	}
	e, from, r, now := failure.record.Entry, failure.record.Source, &f.refusal, f.Now()
	if r.origin != from.Origin || r.seq != e.Seq {
		*r = refusal{from.Origin, e.Seq, 0, now, r.row}
	}
	r.tries++
	if r.tries < refusals || now.Sub(r.since) < r.least() {
		return err
	}
	answer := plain.Clean(refused.Answer, maxText)
	f.Log.ErrorContext(ctx, "a record is passed over that the receiver refuses", "sink", f.Name, "log", from.Origin, "entry", e.Seq, "action", e.Action, "answer", answer)
	if e.Action == actionRefuse && !from.Guard { // of which there would be no end
		err = f.Store.Relaxed(ctx, func(tx *store.RelaxedTx) { tx.MoveDelivery(f.Name, log, *kept, e.Seq) })
	} else {
		err = f.Store.Update(ctx, func(tx *store.Tx) audit.Event {
			tx.PassDelivery(f.Name, log, *kept, e.Seq)
			return f.refusing(failure.record, answer, *r)
		})
	}
	if errors.Is(err, store.ErrStale) { // by somebody else
		f.own = cursor{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("passing over a record: %w", err)
	}
	*kept, *at = e.Seq, e.Seq
	f.backoff = backoff{}
	*r = refusal{row: r.row + 1}
	f.passed()
	return nil
}

// least is how long a record has to be refused before it is passed over.
func (r refusal) least() time.Duration {
	d := minRefuse
	for range r.row {
		if d *= 2; d >= maxRefuse {
			return maxRefuse
		}
	}
	return d
}

// beginning is the event that a sink is new.
func (f *feed) beginning() audit.Event {
	since := "now"
	if f.All {
		since = "all"
	}
	return audit.Event{Action: actionBegin, Actor: "self", Subject: f.Name, Outcome: "ok", Detail: map[string]any{
		"kind": f.Kind, "to": f.To, "since": since, "events": []string(f.Events), "journals": f.Journals,
	}}
}

// refusing is the event that a record is passed over.
func (f *feed) refusing(r Record, answer string, by refusal) audit.Event {
	if answer == "" {
		answer = "refused"
	}
	return audit.Event{Action: actionRefuse, Actor: "self", Subject: f.Name, Outcome: answer, Detail: map[string]any{
		"kind": f.Kind, "to": f.To, "log": r.Source.Origin, "entry": r.Entry.Seq, "action": r.Entry.Action, "id": r.Message().ID(),
		"tries": by.tries, "since": by.since.UTC().Format(time.RFC3339),
	}}
}

// A backoff is how long to wait after failures in a row.
type backoff struct{ next time.Duration }

const (
	minPause = time.Second
	maxPause = 5 * time.Minute
)

// pause returns how long to wait this time: from half of it to all, so that many who
// failed together do not come back together.
func (b *backoff) pause() time.Duration {
	b.next = min(max(2*b.next, minPause), maxPause)
	return b.next/2 + rand.N(b.next/2)
}
