package enforcement

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/betonica/betonica/store"
)

// A party is what one identity has reported.
type party struct {
	identity string
	said     []said // one for each issuer: mostly there is one
}

// said is its last report about one issuer's list.
type said struct {
	store.EnforcementReport
	lagging bool

	// When it first reported this number, and what it had reported until then; the
	// number itself if we do not know, after a restart.
	rose   time.Time
	before int64
}

func (p *party) about(issuer string) *said {
	for i := range p.said {
		if p.said[i].Issuer == issuer {
			return &p.said[i]
		}
	}
	return nil
}

// last returns its latest report; there is one.
func (p *party) last() *said {
	last := &p.said[0]
	for i := range p.said {
		if p.said[i].Reported.After(last.Reported) {
			last = &p.said[i]
		}
	}
	return last
}

func (p *party) seen() time.Time { return p.last().Reported }

func (p *party) connected(now time.Time) bool { return now.Sub(p.seen()) <= silentAfter }

// lags says whether one of its lists is old, of those that it speaks about.
func (p *party) lags() bool {
	for _, s := range p.said {
		if s.lagging && p.current(s) {
			return true
		}
	}
	return false
}

// current says whether it still speaks about the issuer of a report: one that is
// gone from our side is gone from its side, too.
func (p *party) current(s said) bool { return p.seen().Sub(s.Reported) <= silentAfter }

// hear replaces what a party said about an issuer, under the lock, unless what we
// know is newer.
func (e *Registry) hear(r store.EnforcementReport, lagging bool) (heard bool) {
	p := e.parties[r.Identity]
	if p == nil {
		p = &party{identity: r.Identity}
	}
	next := said{EnforcementReport: r, lagging: lagging, rose: r.Reported}
	if s := p.about(r.Issuer); s == nil {
		if !r.FirstSeen.Equal(r.Reported) {
			next.before = r.Number
		}
		p.said = append(p.said, next)
	} else {
		if s.Reported.After(r.Reported) {
			return false
		}
		if next.before = s.Number; s.Number == r.Number {
			next.before, next.rose = s.before, s.rose
		}
		next.FirstSeen = s.FirstSeen
		*s = next
	}
	e.parties[r.Identity] = p
	for w := range e.watches {
		w.look(p)
	}
	return true
}

// refresh takes over what other processes have heard; the first time, what the last
// run has.
func (e *Registry) refresh(ctx context.Context) error {
	if e.Store.Shared() {
		if err := e.offset.look(ctx, e.Now, e.time); err != nil {
			return err
		}
	}
	e.mu.Lock()
	since, first := e.read, e.readAt.IsZero()
	e.mu.Unlock()
	if !first {
		since = since.Add(-readAgain)
	}
	reports, err := e.Store.EnforcementReports(ctx, since)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readAt = e.Now()
	for _, r := range reports {
		if r.Reported.After(e.read) {
			e.read = r.Reported
		}
		r = e.offset.incoming(r)
		s := e.parties[r.Identity].aboutOrNil(r.Issuer)
		if s == nil && len(e.parties) >= store.MaxRelyingParties || s != nil && !r.Reported.After(s.Reported) {
			continue
		}
		e.hear(r, e.lagging(s, r.Issuer, r.Number, r.Reported))
	}
	return nil
}

func (p *party) aboutOrNil(issuer string) *said {
	if p == nil {
		return nil
	}
	return p.about(issuer)
}

// settle forgets those that were revoked themselves: they report no more, and
// nobody waits for them. Who lost one certificate and lives on stays.
func (e *Registry) settle(ctx context.Context) error {
	e.mu.Lock()
	touched := e.touched
	e.touched = map[string]bool{}
	e.mu.Unlock()
	for some := range slices.Chunk(slices.Sorted(maps.Keys(touched)), keepBatch) {
		if err := e.settleSome(ctx, some); err != nil {
			e.mu.Lock()
			maps.Copy(e.touched, touched)
			e.mu.Unlock()
			return err
		}
		for _, identity := range some { // of very many, not all have to be settled in one go
			delete(touched, identity)
		}
	}
	return nil
}

// settleSome is settle of some, in one write; asking twice does no harm.
func (e *Registry) settleSome(ctx context.Context, identities []string) error {
	var gone []string
	for _, identity := range identities {
		id, err := e.Store.Identity(ctx, identity)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if id.State != store.Active {
			gone = append(gone, identity)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	e.mu.Lock()
	for _, identity := range gone {
		delete(e.parties, identity)
	}
	e.mu.Unlock()
	return e.Store.Relaxed(ctx, func(tx *store.RelaxedTx) {
		for _, identity := range gone {
			tx.ForgetRelyingParty(identity)
		}
	})
}

// room makes room for one more party, under the lock: those that were silent
// longest go, a tenth of all. It returns false if everyone is connected.
func (e *Registry) room(now time.Time) bool {
	if len(e.parties) < store.MaxRelyingParties {
		return true
	}
	gone := 0
	for _, age := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, silentAfter} {
		for identity, p := range e.parties {
			if now.Sub(p.seen()) > age {
				delete(e.parties, identity)
				if gone++; gone >= store.MaxRelyingParties/10 {
					return true
				}
			}
		}
	}
	return gone > 0
}
