package peer

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	sweepEvery = time.Second
	rejudge    = 10 * time.Second // at most, between looks at open connections while the list is stale
	rootEvery  = time.Hour
	judgers    = maxAsking / 2    // certificates judged at a time: handshakes ask, too
	judgeAll   = 2 * askWithin    // for a look at all open connections; who is not judged by then is cut
	rootRetry  = 10 * time.Second // until there is a root's list
)

var errExpired = errors.New("its certificate has expired")

// sweep cuts connections whose certificates have expired, and while the list is
// too old to go by, those that OCSP does not call good either.
func (p *Peer) sweep(ctx context.Context) {
	var judged time.Time
	stale := false
	for sleep(ctx, sweepEvery) {
		now := p.conf.Now()
		for _, e := range p.live.all() {
			for _, cert := range e.chain {
				if now.After(cert.NotAfter) {
					p.cut(e, errExpired)
					break
				}
			}
		}
		err := p.Fresh()
		if err != nil && !stale {
			p.event(Event{Kind: Stale, Issuer: p.issuing.name(), Number: p.Number(), Err: err})
		}
		stale = err != nil
		if !stale || time.Since(judged) < min(rejudge, p.conf.MaxAge) {
			continue
		}
		p.judgeOpen(ctx)
		judged = time.Now()
	}
}

// judgeOpen judges each certificate on the other end of an open connection anew,
// several at a time: a CA that does not answer must not keep them open for long.
func (p *Peer) judgeOpen(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, judgeAll)
	defer cancel()
	holders := map[string][]*entry{}
	for _, e := range p.live.all() {
		id := string(e.chain[0].Raw)
		holders[id] = append(holders[id], e)
	}
	turns := make(chan struct{}, judgers)
	var all sync.WaitGroup
	for _, held := range holders {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			err := p.judge(within, held[0].chain)
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

// refreshRoot fetches the root's list hourly. It changes once a year, or on a bad
// day.
func (p *Peer) refreshRoot(ctx context.Context) {
	for {
		wait := rootEvery
		if p.root.fresh(p.conf.Now()) != nil {
			wait = min(rootRetry, p.conf.MaxAge)
		}
		if !sleep(ctx, wait) {
			return
		}
		within, cancel := context.WithTimeout(ctx, time.Minute)
		if err := p.root.fetchFull(within); err != nil && ctx.Err() == nil {
			p.event(Event{Kind: BadList, Issuer: p.root.name(), Number: p.root.number(), Err: err})
		}
		cancel()
	}
}
