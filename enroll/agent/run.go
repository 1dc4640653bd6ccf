package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// tick is the longest that the agent sleeps: it notices a clock that was set, a
	// machine that was asleep, and what another process did to the directory.
	tick = time.Minute
	// watchEvery is how often the CA's log is looked at between renewals, which
	// bring it along, give or take a half. One machine need not be quick: a fleet
	// that takes turns notices within minutes.
	watchEvery = 6 * time.Hour
)

// run takes the steps that are due, until ctx ends.
func (a *Agent) run(ctx context.Context) {
	now := a.keeper.now()
	a.watching.done(now.Add(uniform(0, watchEvery)))
	if a.keeper.quiet(a.due()) != nil { // a CA that said no to this certificate, before
		a.renewal.until = a.keeper.denial().Retry
	}
	for ctx.Err() == nil {
		a.turn(ctx)
		select {
		case <-time.After(a.pause()):
		case outcome := <-a.asked:
			outcome <- a.replace(ctx, false)
		case <-ctx.Done():
		}
	}
}

// due is the certificate that is renewed next.
func (a *Agent) due() *Credential { return a.current.Load().due }

// pause is how long nothing is due, a tick at most.
func (a *Agent) pause() time.Duration {
	now := a.keeper.now()
	next := now.Add(tick)
	for _, at := range []time.Time{later(a.renewal.until, a.due().RenewAfter), a.settling.until, a.watching.until, a.retry} {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	return next.Sub(now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (a *Agent) turn(ctx context.Context) {
	a.refresh(ctx)
	a.askTime(ctx)
	now := a.keeper.now()
	if !now.Before(a.due().RenewAfter) && a.renewal.ready(now) {
		a.renew(ctx)
	}
	if a.settling.ready(now) || !a.retry.IsZero() && !now.Before(a.retry) {
		a.settle(ctx)
	}
	if a.watching.ready(now) {
		a.watch(ctx)
	}
}

// refresh takes up what another process put in place.
func (a *Agent) refresh(ctx context.Context) {
	dir := a.keeper.dir.path
	n, err := currentGeneration(dir)
	if err == nil && n != a.Credential().Generation {
		var c *Credential
		if c, err = a.keeper.dir.generation(n); err == nil {
			a.take(c)
			a.keeper.move(ctx, issued, nil)
		}
	}
	if err != nil && !a.lost { // said once, and not each minute
		a.failed(ctx, "read", err, a.keeper.now().Add(tick))
	}
	a.lost = err != nil
}

// take makes another certificate the one that is kept.
func (a *Agent) take(c *Credential) {
	a.hold(c)
	a.renewal, a.settling, a.retry = backoff{}, backoff{}, time.Time{}
}

// askTime asks the CA for the time after the system's clock has jumped.
func (a *Agent) askTime(ctx context.Context) {
	now := a.keeper.now()
	if _, doubt := a.keeper.clock.doubtful(); !doubt || !a.asking.ready(now) {
		return
	}
	if err := a.keeper.askTime(ctx, a.due()); err != nil {
		a.failed(ctx, "clock", err, a.asking.fail(now, err, 0))
		return
	}
	a.asking = backoff{}
	a.keeper.save(ctx)
}

func (a *Agent) renew(ctx context.Context) {
	err := a.replace(ctx, true)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return
	}
	k, c := a.keeper, a.due()
	now, left := k.now(), c.NotAfter().Sub(k.now())
	event := Event{Kind: Failed, Credential: a.Credential(), Step: "renew", Err: err}
	switch denied, before := errors.AsType[*DeniedError](err); {
	case before: // another process asked
		a.renewal.until = denied.Retry
		return
	case k.stands() == Denied:
		event.Kind, event.Err = Refused, advise(c, err)
		event.Retry = k.denial().Retry
		a.renewal.until = event.Retry
	default:
		event.Retry = a.renewal.fail(now, err, left)
	}
	if left < 0 {
		event.Kind = Expired
		event.Err = fmt.Errorf("the certificate ran out at %s; if this goes on, enrol again with a token made with --replace: %w", stamp(c.NotAfter()), event.Err)
	}
	k.move(ctx, missed, func(s *Status) { s.Retry = event.Retry.UTC().Truncate(time.Second) })
	k.report(ctx, event)
}

// replace renews, with ifDue only if no other process has; the turn that follows
// settles.
func (a *Agent) replace(ctx context.Context, ifDue bool) error {
	c, _, err := a.keeper.renew(ctx, ifDue)
	if err != nil {
		return err
	}
	a.take(c)
	return nil
}

// settle does what the certificate in place still owes.
func (a *Agent) settle(ctx context.Context) {
	c, retry, failed := a.keeper.settle(ctx, a.Credential())
	now := a.keeper.now()
	if c.Generation != a.Credential().Generation {
		a.hold(c)
	}
	a.retry = retry
	again := time.Time{}
	for _, e := range failed {
		if e.Kind == RolledBack {
			a.retry = e.Retry
			a.keeper.report(ctx, e)
			continue
		}
		if again.IsZero() {
			again = a.settling.fail(now, e.Err, 0)
		}
		a.failed(ctx, e.Step, e.Err, again)
	}
	if again.IsZero() {
		a.settling.done(now.Add(watchEvery)) // nothing left; a new certificate begins anew
	}
}

func (a *Agent) watch(ctx context.Context) {
	now := a.keeper.now()
	if err := a.keeper.watch(ctx, a.Credential()); err != nil {
		a.failed(ctx, "monitor", err, a.watching.fail(now, err, 0))
		return
	}
	a.watching.done(now.Add(uniform(watchEvery/2, watchEvery*3/2)))
	if c, err := a.keeper.dir.load(); err == nil && c.Generation == a.Credential().Generation {
		a.hold(c) // it may be due sooner
	}
	a.keeper.save(ctx)
}

// failed reports a step that will be tried again, unless it was told to stop.
func (a *Agent) failed(ctx context.Context, step string, err error, retry time.Time) {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return
	}
	a.keeper.report(ctx, Event{Kind: Failed, Credential: a.Credential(), Step: step, Err: err, Retry: retry})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
