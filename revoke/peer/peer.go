package peer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

// firstWait is how long [Open] waits for a list.
const firstWait = 10 * time.Second

// A Peer judges whoever this machine speaks to. Its methods may be called
// concurrently.
type Peer struct {
	conf     Config
	allow    allow.Peers
	issuing  *keeper // of the intermediate's list
	root     *keeper // of the root's
	live     table
	asking   chan struct{} // a token for each OCSP question under way
	catching atomic.Bool   // a full list is being fetched beside the stream
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// Open reads the lists from disk, fetches newer ones, and keeps them fresh until
// ctx ends or Close is called. It returns an error if the configuration is wrong
// or the machine's own certificate does not chain to its roots.
//
// It waits for a usable list for ten seconds. Without one the Peer works all the
// same: it asks OCSP, and lets nobody in who is not answered for.
func Open(ctx context.Context, c Config) (*Peer, error) {
	c, peers, err := c.normal()
	if err != nil {
		return nil, err
	}
	issuing, root, err := issuers(c.Source, c.Now())
	if err != nil {
		return nil, err
	}
	p := &Peer{conf: c, allow: peers, asking: make(chan struct{}, maxAsking)}
	if err := makeState(c.State); err != nil {
		return nil, err
	}
	if p.issuing, err = openKeeper(p, issuing, c.MaxAge); err != nil {
		return nil, err
	}
	if p.root, err = openKeeper(p, root, 0); err != nil {
		return nil, err
	}
	ctx, p.stop = context.WithCancel(ctx)
	first, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	var both sync.WaitGroup
	for _, k := range []*keeper{p.issuing, p.root} {
		both.Go(func() {
			err := k.fetchFull(first)
			if err == nil && k == p.issuing {
				err = p.catchUp(first, "delta.crl") // what was revoked since
			}
			if err != nil {
				p.event(Event{Kind: BadList, Issuer: k.name(), Number: k.number(), Err: err})
			}
		})
	}
	both.Wait()
	p.done.Go(func() { p.follow(ctx) })
	p.done.Go(func() { p.refreshRoot(ctx) })
	p.done.Go(func() { p.sweep(ctx) })
	return p, nil
}

// Close stops following the lists and cuts every connection. What tries to
// connect afterwards is judged by what is known until that is too old.
func (p *Peer) Close() error {
	p.stop()
	p.done.Wait()
	p.live.cutAll()
	return nil
}

// Number returns the number of the list that is enforced; 0: none.
func (p *Peer) Number() int64 { return p.issuing.number() }

// Fresh returns nil if the list that is held is good to judge by, and otherwise
// what is wrong with it: then OCSP decides.
func (p *Peer) Fresh() error {
	if err := p.root.fresh(p.conf.Now()); err != nil {
		return err
	}
	return p.issuing.fresh(p.conf.Now())
}

// Connections returns how many connections are open whose other end was let in.
func (p *Peer) Connections() int { return p.live.len() }

// issuers returns the certificates of the intermediate that issued the machine's
// own certificate, and of the root.
func issuers(s Source, now time.Time) (issuing, root *x509.Certificate, err error) {
	own := s.Certificate()
	leaf, err := leafOf(own)
	if err != nil {
		return nil, nil, fmt.Errorf("peer: %w", err)
	}
	between := x509.NewCertPool()
	for _, der := range own.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("peer: the machine's own chain: %w", err)
		}
		between.AddCert(cert)
	}
	// Its own end is not the matter here: a machine that was off for long renews first.
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.Roots(), Intermediates: between, CurrentTime: clamp(now, leaf), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("peer: the machine's own certificate: %w", err)
	}
	chain := chains[0]
	if len(chain) != 3 {
		return nil, nil, errors.New("peer: the machine's own certificate was not issued by an intermediate under a root")
	}
	return chain[1], chain[2], nil
}

func clamp(now time.Time, cert *x509.Certificate) time.Time {
	if now.Before(cert.NotBefore) {
		return cert.NotBefore
	}
	if now.After(cert.NotAfter) {
		return cert.NotAfter
	}
	return now
}
