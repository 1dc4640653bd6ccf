package peer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxIssuers = 16          // whose lists are held, roots included
	settled    = time.Minute // an issuer that was needed this recently makes no room for another
	idle       = time.Hour   // an issuer that nobody needed for this long is forgotten once its list is too old
)

// issuers are those whose lists are held. They are read without a lock, since each
// handshake does.
type issuers struct {
	all     atomic.Pointer[[]*keeper]
	mu      sync.Mutex    // changing all
	changed chan struct{} // says so to Peer.supervise
}

// own is the chain of this machine's own certificate. Its issuers are never
// forgotten.
type own struct {
	leaf          []byte
	issuing, root *keeper
}

func (p *Peer) held() []*keeper {
	if all := p.known.all.Load(); all != nil {
		return *all
	}
	return nil
}

func (p *Peer) find(issuer *x509.Certificate) *keeper {
	for _, k := range p.held() {
		if k.is(issuer) {
			return k
		}
	}
	return nil
}

// keeperOf returns who keeps the list of chain[i], or nil if that is not kept: of
// roots and of what a root has signed, lists are, from the moment that somebody
// comes with such a chain, which must be verified.
func (p *Peer) keeperOf(chain []*x509.Certificate, i int) *keeper {
	if i < len(chain)-2 || i == 0 {
		return nil
	}
	k := p.find(chain[i])
	if k == nil {
		k, _ = p.meet(chain[i], i == len(chain)-1) // nil: OCSP decides
	}
	if k != nil {
		k.needed.Store(p.conf.Now().UnixNano())
	}
	return k
}

// meet makes a keeper. Where there are too many, the one that was not needed for
// longest goes; if all are in use there is no new one, lest two issuers push each
// other out for ever.
func (p *Peer) meet(issuer *x509.Certificate, root bool) (*keeper, error) {
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	if k := p.find(issuer); k != nil {
		return k, nil
	}
	all := slices.Clone(p.held())
	if len(all) >= maxIssuers {
		i := p.leastNeeded(all)
		if i < 0 {
			return nil, errors.New("peer: the lists of too many issuers are in use")
		}
		all[i].forget()
		all[i].event(Forgotten, "", nil)
		all = slices.Delete(all, i, i+1)
	}
	k, err := newKeeper(p, issuer, root)
	if err != nil {
		return nil, err
	}
	all = append(all, k)
	p.known.all.Store(&all)
	k.event(Met, "", nil)
	select {
	case p.known.changed <- struct{}{}:
	default:
	}
	return k, nil
}

func (p *Peer) leastNeeded(all []*keeper) int {
	least, chain := -1, p.own.Load()
	oldest := p.conf.Now().Add(-settled).UnixNano()
	for i, k := range all {
		if chain != nil && (k == chain.issuing || k == chain.root) {
			continue
		}
		if at := k.needed.Load(); at < oldest {
			least, oldest = i, at
		}
	}
	return least
}

// forgetIdle forgets the issuers that nobody needs and that sign no lists any more:
// after a rotation there are such.
func (p *Peer) forgetIdle(now time.Time) {
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	chain, long := p.own.Load(), now.Add(-idle).UnixNano()
	var left, gone []*keeper
	for _, k := range p.held() {
		if k == chain.issuing || k == chain.root || k.needed.Load() > long || k.fresh(now) == nil {
			left = append(left, k)
		} else {
			gone = append(gone, k)
		}
	}
	if len(gone) > 0 {
		p.known.all.Store(&left)
	}
	for _, k := range gone {
		k.forget()
		k.event(Forgotten, "", nil)
	}
}

// supervise runs each keeper from when it is met until it is forgotten, or ctx
// ends.
func (p *Peer) supervise(ctx context.Context) {
	running := map[*keeper]bool{}
	for {
		for _, k := range p.held() {
			if running[k] {
				continue
			}
			running[k] = true
			p.done.Go(func() {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				p.done.Go(func() {
					defer cancel()
					select {
					case <-k.gone:
					case <-ctx.Done():
					}
				})
				k.run(ctx)
			})
		}
		for k := range running {
			if !slices.Contains(p.held(), k) {
				delete(running, k)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-p.known.changed:
		}
	}
}

// rechain looks up which issuers the machine's own certificate has now: it may
// have been renewed under another intermediate.
func (p *Peer) rechain() error {
	cert := p.conf.Source.Certificate()
	leaf, err := leafOf(cert)
	if err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	before := p.own.Load()
	if before != nil && string(before.leaf) == string(leaf.Raw) {
		return nil
	}
	issuing, root, err := ownIssuers(p.conf.Source, p.conf.Now())
	if err != nil {
		return err
	}
	next := own{leaf: leaf.Raw}
	if next.root, err = p.meet(root, true); err != nil {
		return err
	}
	if next.issuing, err = p.meet(issuing, false); err != nil {
		return err
	}
	p.own.Store(&next)
	if before != nil && before.issuing != next.issuing {
		next.issuing.event(Rechained, "", nil)
	}
	return nil
}

// ownIssuers returns the certificates of the intermediate that issued the machine's
// own certificate, and of the root.
func ownIssuers(s Source, now time.Time) (issuing, root *x509.Certificate, err error) {
	cert := s.Certificate()
	leaf, err := leafOf(cert)
	if err != nil {
		return nil, nil, fmt.Errorf("peer: %w", err)
	}
	between := x509.NewCertPool()
	for _, der := range cert.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("peer: the machine's own chain: %w", err)
		}
		between.AddCert(cert)
	}
	// Its own end is not the matter here: a machine that was off for long renews first.
	chain, err := chainOf(s, leaf, between, now)
	if err != nil {
		return nil, nil, fmt.Errorf("peer: the machine's own certificate: %w", err)
	}
	if len(chain) != 3 {
		return nil, nil, errors.New("peer: the machine's own certificate was not issued by an intermediate under a root")
	}
	return chain[1], chain[2], nil
}

// chainOf returns a chain to a root of the Source, for any use, at a time at which
// the certificate itself is good.
func chainOf(s Source, cert *x509.Certificate, between *x509.CertPool, now time.Time) ([]*x509.Certificate, error) {
	if now.Before(cert.NotBefore) {
		now = cert.NotBefore
	} else if now.After(cert.NotAfter) {
		now = cert.NotAfter
	}
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: s.Roots(), Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}

// recall makes keepers of the issuers that earlier runs have met, as far as they
// still chain to a root.
func (p *Peer) recall() {
	for _, cert := range remembered(p.conf.State) {
		chain, err := chainOf(p.conf.Source, cert, nil, p.conf.Now())
		if err == nil && len(chain) <= 2 {
			p.meet(cert, len(chain) == 1) // one too many is left out
		}
	}
}
