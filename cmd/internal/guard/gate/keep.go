package gate

import (
	"context"

	"github.com/betonica/betonica/cmd/internal/record"
)

// Record begins a record about the link: who, whom, where and since when. The gate adds
// what was asked and how it ended.
func (l *Link) Record(p record.Protocol, k record.Kind) record.Record {
	return record.Record{
		Begin: l.Route.Now(), Since: l.Begin,
		Caller: l.caller, Serial: l.Caller.Serial, Address: l.Caller.Address,
		Guard: l.Route.Guard, Side: l.Route.Side, Route: l.Route.Name, Target: l.Route.Target,
		Protocol: p, Kind: k,
	}
}

// Ready returns nil if a record can be kept now. An error means that there must be no
// access; it has been logged, and the gate answers in its protocol's words.
func (l *Link) Ready(ctx context.Context) error {
	err := l.Route.Records.Ready()
	if err != nil {
		l.unkept(ctx, err)
	}
	return err
}

// Keep keeps a record, and counts it. Whom it is about is the machine that answered, if
// that is known by now. When it returns nil the record is durable, or
// will be within a second, as the guard is set. An error means that there must be no
// access, or no more of it; it has been logged.
func (l *Link) Keep(ctx context.Context, r record.Record) error {
	if id := l.met(); id != "" {
		r.Target = id
	}
	err := l.Route.Records.Keep(ctx, r)
	if err != nil {
		l.unkept(ctx, err)
		return err
	}
	l.Route.Meter.count(r)
	return nil
}

func (l *Link) unkept(ctx context.Context, err error) {
	l.Route.Meter.unkept()
	l.Route.Log.ErrorContext(ctx, "no record, no access", "route", l.Route.Name, "caller", l.Caller.ID.String(), "error", err)
}

// Ended sets the outcome of an access that was under way: Cut with the reason if the
// guard ended the link, otherwise Failed with what err says, or what it was without an
// error: then it notes where a connection or an association had no goodbye of TLS, which
// a protocol that shows its own end can do without.
func (l *Link) Ended(r *record.Record, err error) {
	r.End = l.Route.Now()
	if reason, cut := l.Why(); cut {
		r.Outcome, r.Reason = record.Cut, reason
	} else if err != nil {
		r.Outcome, r.Reason = record.Failed, err.Error()
	} else if note := l.unsaid(); note != nil && r.Reason == "" && lasting(r.Kind) {
		r.Reason = note.Error()
	}
}
