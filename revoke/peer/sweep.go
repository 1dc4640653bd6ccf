package peer

import (
	"context"
	"sync"
	"time"
)

const (
	sweepEvery = time.Second
	rejudge    = 10 * time.Second // at most, between looks at open connections while a list is stale
	judgers    = maxAsking / 2    // certificates judged at a time: handshakes ask, too
	judgeAll   = 2 * askWithin    // for a look at all open connections; who is not judged by then is cut
)

// sweep cuts connections whose certificates have expired, and while a list is too
// old to go by, those that OCSP does not call good either. It also notices what
// the machine's own certificate was renewed to.
func (p *Peer) sweep(ctx context.Context) {
	var judged time.Time
	for sleep(ctx, sweepEvery) {
		p.lookAtOwn()
		now := p.conf.Now()
		p.sayStale(now)
		var unsure []*entry
		for _, e := range p.live.all() {
			if e.expired(now) {
				p.cut(e, ErrExpired)
			} else if !p.sure(e, now) {
				unsure = append(unsure, e)
			}
		}
		if len(unsure) > 0 && time.Since(judged) >= min(rejudge, p.conf.MaxAge) {
			p.judgeOpen(ctx, unsure)
			judged = time.Now()
		}
		p.forgetIdle(now) // those that the connections have just not needed
	}
}

// lookAtOwn follows the machine's own certificate.
func (p *Peer) lookAtOwn() {
	before := p.own.Load()
	if err := p.rechain(); err != nil {
		if !p.chainless {
			p.event(Event{Kind: Rechained, Err: err})
		}
		p.chainless = true
		return
	}
	p.chainless = false
	if p.own.Load() != before {
		select {
		case p.renewed <- struct{}{}:
		default:
		}
	}
}

// sayStale says of each list when it gets too old, and when it is good again.
func (p *Peer) sayStale(now time.Time) {
	for _, k := range p.held() {
		err := k.fresh(now)
		if stale := err != nil; k.stale.Swap(stale) != stale {
			if stale {
				k.event(Stale, "", err)
			} else {
				k.event(Fresh, "", nil)
			}
		}
	}
}

func (e *entry) expired(now time.Time) bool {
	for _, cert := range e.chain {
		if now.After(cert.NotAfter) {
			return true
		}
	}
	return false
}

// sure reports whether lists alone vouch for the other end of a connection: they
// cut it when they name it.
func (p *Peer) sure(e *entry, now time.Time) bool {
	for i := 1; i < len(e.chain); i++ {
		k := p.keeperOf(e.chain, i)
		if k == nil || k.fresh(now) != nil {
			return false
		}
	}
	return true
}

// judgeOpen judges the certificates on the other end of open connections anew,
// several at a time: a CA that does not answer must not keep them open for long.
func (p *Peer) judgeOpen(ctx context.Context, open []*entry) {
	within, cancel := context.WithTimeout(ctx, judgeAll)
	defer cancel()
	holders := map[string][]*entry{}
	for _, e := range open {
		id := string(e.chain[0].Raw) + string(e.staple)
		holders[id] = append(holders[id], e)
	}
	turns := make(chan struct{}, judgers)
	var all sync.WaitGroup
	for _, held := range holders {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			err := p.judge(within, held[0].chain, held[0].staple)
			if err == nil || ctx.Err() != nil {
				return
			}
			for _, e := range held {
				p.cut(e, err)
			}
		})
	}
	all.Wait()
}
