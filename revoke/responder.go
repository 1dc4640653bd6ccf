package revoke

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/store"
)

const (
	maxAsked   = 64                     // certificates in one request
	maxLive    = 64                     // answers being signed at once
	liveWait   = 250 * time.Millisecond // for one's turn to be signed
	cacheBytes = 32 << 20
)

// ResponderConfig is what a [Responder] is made of.
type ResponderConfig struct {
	Store     *store.DB
	Authority *ca.Authority
	Clock     *Clock

	// RootResponder and RootKey answer for the intermediate, in the root's name;
	// RootCRL is what they know. The root signed all of it in its last ceremony.
	RootResponder *x509.Certificate
	RootKey       crypto.Signer
	RootCRL       *Document

	// Lifetime is from thisUpdate to nextUpdate of an answer: how long a copy may be
	// believed. 60 s if 0.
	Lifetime time.Duration

	// Cache is how much memory the answers may take, in bytes. 32 MiB if 0.
	Cache int

	Log *slog.Logger
}

// A Responder answers OCSP (RFC 6960, 9654, 9919). It must not stand behind
// http.ServeMux, which redirects a base64 path that has "//" in it.
//
// An answer without nonce is signed when it is first asked for, and given again
// until its nextUpdate; one indexed read goes before it. A revocation drops the
// answer before the call that made it returns. With a nonce each is signed live.
type Responder struct {
	ResponderConfig
	issuer, root  *ocsp.Issuer
	rootResponder *ocsp.Responder
	rootRevoked   crl.Set
	delegate      atomic.Pointer[delegate]
	cache         *cache
	live          chan struct{} // a token for each answer being signed
	stop          func()
	counts        counts
}

// NewResponder has a responder certified for the intermediate, on record.
func NewResponder(ctx context.Context, c ResponderConfig) (*Responder, error) {
	if c.Lifetime == 0 {
		c.Lifetime = time.Minute
	}
	if c.Cache == 0 {
		c.Cache = cacheBytes
	}
	r := &Responder{ResponderConfig: c, cache: newCache(c.Cache), live: make(chan struct{}, maxLive)}
	var err error
	if r.issuer, err = ocsp.NewIssuer(c.Authority.Certificate()); err != nil {
		return nil, err
	}
	if r.root, err = ocsp.NewIssuer(c.Authority.Root()); err != nil {
		return nil, err
	}
	if r.rootResponder, err = ocsp.NewResponder(c.RootResponder, c.RootKey); err != nil {
		return nil, fmt.Errorf("the root's OCSP responder: %w", err)
	}
	list, err := crl.Open(c.RootCRL.DER, c.Authority.Root())
	if err != nil {
		return nil, fmt.Errorf("the root's CRL: %w", err)
	}
	r.rootRevoked = list.Entries()
	first, err := newDelegate(ctx, c.Store, c.Authority)
	if err != nil {
		return nil, fmt.Errorf("certifying the OCSP responder: %w", err)
	}
	r.delegate.Store(first)
	r.stop = c.Store.OnRevoked(r.cache.drop)
	return r, nil
}

// Run renews the responder's key at half its certificate's life, until ctx ends;
// it returns nil.
func (s *Responder) Run(ctx context.Context) error {
	defer s.stop()
	wait := time.NewTimer(time.Until(s.delegate.Load().renewAt()))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		next, err := newDelegate(ctx, s.Store, s.Authority)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "renewing the OCSP responder's key", "error", err)
			}
			wait.Reset(time.Minute)
			continue
		}
		s.delegate.Store(next)
		wait.Reset(max(time.Minute, time.Until(next.renewAt()))) // the issuer's end may be near
	}
}

// answer answers a request that was parsed: from the cache if it can.
func (s *Responder) answer(ctx context.Context, req *ocsp.Request) (*answer, ocsp.ErrorStatus) {
	now, err := s.Clock.Now()
	if err != nil {
		return nil, ocsp.TryLater
	}
	if len(req.IDs) != 1 || req.Nonce != nil || !s.issuer.Issued(req.IDs[0]) {
		s.counts.live.Add(1)
		return s.sign(ctx, req, now)
	}
	for range 3 { // a revocation of another certificate may come between
		kept, epoch := s.cache.get(req.IDs[0], now)
		if kept != nil {
			s.counts.hits.Add(1)
			return kept, 0
		}
		s.counts.misses.Add(1)
		made, status := s.sign(ctx, req, now)
		if made == nil {
			return nil, status
		}
		if s.cache.put(made, epoch) {
			return made, 0
		}
	}
	return nil, ocsp.TryLater
}

// sign makes an answer, in the name of the intermediate, or of the root if all
// that is asked is the root's. The number of those being made is bounded.
func (s *Responder) sign(ctx context.Context, req *ocsp.Request, now time.Time) (*answer, ocsp.ErrorStatus) {
	turn := time.NewTimer(liveWait)
	defer turn.Stop()
	select {
	case s.live <- struct{}{}:
		defer func() { <-s.live }()
	case <-turn.C:
		s.counts.refused.Add(1)
		return nil, ocsp.TryLater
	case <-ctx.Done():
		return nil, ocsp.TryLater
	}
	this := now.Truncate(time.Second)
	out := ocsp.Response{ProducedAt: this, Nonce: req.Nonce}
	ours, roots := 0, 0
	for _, id := range req.IDs {
		single := ocsp.SingleResponse{ID: id, Status: ocsp.Unknown, ThisUpdate: this, NextUpdate: this.Add(s.Lifetime)}
		switch {
		case s.issuer.Issued(id):
			ours++
			if err := s.status(ctx, &single); err != nil {
				s.Log.WarnContext(ctx, "OCSP: the store does not answer", "error", err)
				return nil, ocsp.TryLater
			}
		case s.root.Issued(id):
			roots++
			s.rootStatus(&single)
		}
		out.Responses = append(out.Responses, single)
	}
	signer := s.delegate.Load().Responder
	switch {
	case ours == 0 && roots == 0:
		return nil, ocsp.Unauthorized
	case ours == 0:
		signer = s.rootResponder
	case roots > 0: // one signature cannot speak for both
		for i, id := range req.IDs {
			if s.root.Issued(id) {
				out.Responses[i].Status = ocsp.Unknown
			}
		}
	}
	body, err := signer.Sign(out)
	if err != nil {
		s.Log.ErrorContext(ctx, "signing an OCSP answer", "error", err)
		return nil, ocsp.InternalError
	}
	return newAnswer(req.IDs[0], body, this, this.Add(s.Lifetime)), 0
}
