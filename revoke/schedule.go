package revoke

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
)

// Run signs lists when they are due, until ctx ends; it returns nil. A list that
// cannot be signed is tried again, and [Publisher.Health] says why.
func (p *Publisher) Run(ctx context.Context) error {
	issuer := p.Authority.IssuerID()
	stop := p.Store.OnRevoked(func(all []store.Revocation, _ bool) {
		if slices.ContainsFunc(all, func(r store.Revocation) bool { return r.Issuer == issuer }) {
			p.poke()
		}
	})
	defer stop()
	defer p.stream.Close()
	p.poke() // for what was revoked since NewPublisher
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { p.runShards(ctx) })

	fulls := make(chan fullList, 1)
	busy := false    // a full list is being signed; deltas do not wait for it
	pending := false // something was revoked since the last delta
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if busy {
				<-fulls
			}
			return nil
		case <-p.wake:
			pending = true
		case list := <-fulls:
			busy = false
			p.report(ctx, "full", list.err)
			if list.doc != nil {
				p.useFull(list)
			} else {
				p.fullAt = time.Now() // not again at once
			}
		case <-timer.C:
		}
		if !time.Now().Before(p.deltaDue(pending)) {
			p.deltaErr = p.signDelta(ctx)
			p.report(ctx, "delta", p.deltaErr)
			pending = pending && p.deltaErr != nil
		}
		if !busy && !time.Now().Before(p.fullDue()) {
			number, err := p.numbers.take(ctx)
			if err != nil {
				p.report(ctx, "full", err)
				p.fullAt = time.Now()
			} else {
				busy = true
				go func() { fulls <- p.signFull(ctx, number) }()
			}
		}
		next := p.deltaDue(pending)
		if full := p.fullDue(); !busy && full.Before(next) {
			next = full
		}
		timer.Reset(max(0, time.Until(next)))
	}
}

func (p *Publisher) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// deltaDue returns when the next delta is to be signed.
func (p *Publisher) deltaDue(pending bool) time.Time {
	if p.deltaErr != nil {
		return p.deltaAt.Add(min(retryAfter, p.Heartbeat))
	}
	if pending {
		return p.deltaAt.Add(time.Second / maxDeltas)
	}
	return p.deltaAt.Add(p.Heartbeat)
}

// fullDue returns when the next full list is to be signed: soon if it misses a
// revocation or the lists of a new n, at a third of its life if not.
func (p *Publisher) fullDue() time.Time {
	full := p.full.Load()
	soon := p.fullAt.Add(max(fullPause, fullShare*p.took))
	if p.revoked > full.Number || p.resign.Load() {
		return soon
	}
	if third := full.ThisUpdate.Add(p.Lifetime / 3); third.After(soon) {
		return third
	}
	return soon
}

// report says what became of a list: in Health, and in the log when that changes.
func (p *Publisher) report(ctx context.Context, kind string, err error) {
	if ctx.Err() != nil {
		return
	}
	if changed := p.failed.set(kind, err); changed && err != nil {
		p.Log.ErrorContext(ctx, "signing a CRL", "kind", kind, "error", err)
	}
}

// failures hold why the newest list of each kind could not be made. A delta that
// works hides nothing about the full list.
type failures struct {
	mu sync.Mutex
	of map[string]error // by kind
}

// set reports whether this is news.
func (f *failures) set(kind string, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[string]error{}
	}
	old := f.of[kind]
	f.of[kind] = err
	return (old == nil) != (err == nil) || err != nil && old.Error() != err.Error()
}

// why returns them in one error, or nil.
func (f *failures) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.of["full"], f.of["delta"], f.of["shards"])
}
