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
	a.watching.done(a.keeper.conf.Now().Add(uniform(0, watchEvery)))
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

// pause is how long nothing is due, a tick at most.
func (a *Agent) pause() time.Duration {
	now := a.keeper.conf.Now()
	next := now.Add(tick)
	for _, at := range []time.Time{later(a.renewal.until, a.Credential().RenewAfter), a.settling.until, a.watching.until} {
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
	now := a.keeper.conf.Now()
	if !now.Before(a.Credential().RenewAfter) && a.renewal.ready(now) {
		a.renew(ctx)
	}
	if a.settling.ready(now) {
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
			a.hold(c)
			a.renewal, a.settling = backoff{}, backoff{}
		}
	}
	if err != nil && !a.lost { // said once, and not each minute
		a.failed(ctx, "read", err, a.keeper.conf.Now().Add(tick))
	}
	a.lost = err != nil
}

func (a *Agent) renew(ctx context.Context) {
	err := a.replace(ctx, true)
	if err == nil {
		return
	}
	now, end := a.keeper.conf.Now(), a.Credential().NotAfter()
	retry := a.renewal.fail(now, err, end.Sub(now))
	if now.After(end) {
		err = fmt.Errorf("the certificate ran out at %s; if this goes on, enrol again with a token made with --replace: %w", stamp(end), err)
		a.keeper.report(ctx, Event{Kind: Expired, Credential: a.Credential(), Step: "renew", Err: err, Retry: retry})
		return
	}
	a.failed(ctx, "renew", err, retry)
}

// replace renews, with ifDue only if no other process has; the turn that follows
// settles.
func (a *Agent) replace(ctx context.Context, ifDue bool) error {
	c, _, err := a.keeper.renew(ctx, ifDue)
	if err != nil {
		return err
	}
	a.hold(c)
	a.renewal, a.settling = backoff{}, backoff{}
	return nil
}

// settle does what the certificate in place still owes.
func (a *Agent) settle(ctx context.Context) {
	failed := a.keeper.settle(ctx, a.Credential())
	now := a.keeper.conf.Now()
	if len(failed) == 0 {
		a.settling.done(now.Add(watchEvery)) // nothing left; a new certificate begins anew
		return
	}
	retry := a.settling.fail(now, failed[0].Err, 0)
	for _, e := range failed {
		a.failed(ctx, e.Step, e.Err, retry)
	}
}

func (a *Agent) watch(ctx context.Context) {
	now := a.keeper.conf.Now()
	if err := a.keeper.watch(ctx, a.Credential()); err != nil {
		a.failed(ctx, "monitor", err, a.watching.fail(now, err, 0))
		return
	}
	a.watching.done(now.Add(uniform(watchEvery/2, watchEvery*3/2)))
	if c, err := a.keeper.dir.load(); err == nil && c.Generation == a.Credential().Generation {
		a.hold(c) // it may be due sooner
	}
}

// failed reports a step that will be tried again, unless it was told to stop.
func (a *Agent) failed(ctx context.Context, step string, err error, retry time.Time) {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return
	}
	a.keeper.report(ctx, Event{Kind: Failed, Credential: a.Credential(), Step: step, Err: err, Retry: retry})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
