package revoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/store"
)

// listen hears of revocations and of other processes' lists until stop is called.
func (p *Publisher) listen() (stop func()) {
	issuer := p.Authority.IssuerID()
	deaf := p.Store.OnRevoked(func(all []store.Revocation, here bool) {
		if p.news.hear(issuer, all, here || p.others == nil) {
			p.poke()
		}
	})
	if p.others == nil {
		return deaf
	}
	blind := p.Store.OnNotice(topicList, p.notice)
	return func() { deaf(); blind() }
}

// join takes over the delta that others have signed last, or signs one.
func (p *Publisher) join(ctx context.Context) error {
	if _, err := p.takeDelta(ctx, false); err != nil {
		return err
	}
	for tries := 0; p.delta.Load() == nil; tries++ {
		if tries == 10 {
			return errors.New("others sign deltas that are of no use here")
		}
		if err := p.signDelta(ctx); err != nil {
			return err
		}
		if p.delta.Load() == nil { // another one was published meanwhile, perhaps on a newer base
			p.finish(ctx, p.takeFull(ctx))
			if _, err := p.takeDelta(ctx, false); err != nil {
				return err
			}
		}
	}
	now, err := p.Clock.Now()
	if err != nil {
		return err
	}
	p.deltaAt = p.deltaAt.Add(-max(0, now.Sub(p.delta.Load().ThisUpdate)))
	return p.recount(ctx)
}

// recount notes what was revoked since the base, whoever told of it.
func (p *Publisher) recount(ctx context.Context) error {
	since, err := p.Store.RevokedSince(ctx, p.Authority.IssuerID(), p.base)
	if err != nil {
		return err
	}
	p.news.hear(p.Authority.IssuerID(), since, false)
	return nil
}

// look takes over what other processes have published. It reports whether there is a
// newer full list, which takes its time to be taken over.
func (p *Publisher) look(ctx context.Context) (full bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	waiting := p.others.begin()
	if err = p.askTime(ctx); err == nil {
		full, err = p.lookAround(ctx)
	}
	if err != nil {
		p.others.failed(waiting)
		return false, fmt.Errorf("looking for CRLs of other daemons: %w", err)
	}
	for _, done := range waiting {
		close(done)
	}
	return full, nil
}

func (p *Publisher) lookAround(ctx context.Context) (full bool, err error) {
	held := [...]int64{p.full.Load().Number, p.delta.Load().Number}
	there, err := p.Store.CRLNumbers(ctx, p.Authority.IssuerID(), min(held[0], held[1]))
	if err != nil {
		return false, err
	}
	full = there[kindFull] > held[0] && !p.others.isRefused(kindFull, there[kindFull])
	if there[kindDelta] > held[1] && !p.others.isRefused(kindDelta, there[kindDelta]) {
		_, err = p.takeDelta(ctx, full)
	}
	return full, err
}

// shareFull has a full list and its shards served by all, or returns the newer one that
// is there.
func (p *Publisher) shareFull(ctx context.Context, list fullList) fullList {
	switch newest, err := p.share(ctx, kindFull, list.doc, list.shards); {
	case err != nil:
		return fullList{err: err}
	case !newest:
		return p.takeFull(ctx)
	}
	return list
}

// finish serves a full list that was signed or found.
func (p *Publisher) finish(ctx context.Context, list fullList) {
	p.report(ctx, kindFull, list.err)
	if list.doc == nil {
		p.fullAt = time.Now() // not again at once
		return
	}
	p.useFull(list)
	if p.others != nil {
		p.others.doubt() // a delta may wait for it
	}
}
