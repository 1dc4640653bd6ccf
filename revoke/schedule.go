package revoke

import (
	"context"
	"sync"
	"time"
)

// Run signs lists when they are due, and takes over those of other processes, until
// ctx ends; it returns nil. A list that cannot be signed is tried again, and
// [Publisher.Health] says why.
func (p *Publisher) Run(ctx context.Context) error {
	defer p.listen()()
	defer p.stream.Close()
	p.unsure = p.others == nil || p.recount(ctx) != nil // of what was revoked since NewPublisher
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { p.runShards(ctx) })

	fulls := make(chan fullList, 1)
	busy := false // with a full list; deltas do not wait for it
	start := func(full func(context.Context) fullList) {
		busy = true
		go func() {
			ctx, cancel := context.WithTimeout(ctx, fullWithin)
			defer cancel()
			fulls <- full(ctx)
		}()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if busy {
				<-fulls
			}
			return nil
		case list := <-fulls:
			busy = false
			p.finish(ctx, list)
		case <-p.wake:
		case <-timer.C:
		}
		if p.isDue(p.lookDue()) {
			full, err := p.look(ctx)
			p.report(ctx, "others", err)
			if full && !busy {
				start(p.takeFull)
			}
		}
		if p.mayNotSign() {
			timer.Reset(lookPause)
			continue
		}
		if p.isDue(p.deltaDue()) {
			p.deltaErr = p.signDelta(ctx)
			p.report(ctx, kindDelta, p.deltaErr)
		}
		if !busy && p.isDue(p.fullDue()) {
			number, err := p.numbers.take(ctx)
			if err != nil {
				p.finish(ctx, fullList{err: err})
			} else {
				start(func(ctx context.Context) fullList { return p.signFull(ctx, number) })
			}
		}
		next := earlier(p.deltaDue(), p.lookDue())
		if !busy {
			next = earlier(next, p.fullDue())
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

// report says what became of a list: in Health, and in the log when that changes.
func (p *Publisher) report(ctx context.Context, kind string, err error) {
	if ctx.Err() != nil {
		return
	}
	if changed := p.failed.set(kind, err); changed && err != nil {
		p.Log.ErrorContext(ctx, "signing a CRL", "kind", kind, "error", err)
	}
}
