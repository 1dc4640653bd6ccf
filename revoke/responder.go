package revoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/ca"
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
	Store *store.DB
	Clock *Clock

	// Issuers are whose certificates are asked about. After a change of them comes a
	// [Responder.Refresh].
	Issuers *ca.Issuers

	// Root answers for the intermediates, in the root's name.
	Root *Anchor

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
//
// Where several processes share a store, a revocation by any of them does so, or this
// one is lapsed by then ([store.DB.Lapsed]): it answers nothing but tryLater.
type Responder struct {
	ResponderConfig
	voices  atomic.Pointer[[]*voice]
	mu      sync.Mutex    // of who changes voices
	changed chan struct{} // holds a token when they were
	cache   *cache
	live    chan struct{} // a token for each answer being signed
	stop    func()
	counts  counts
}

// A voice answers for one issuer, by a delegate of its own: a signature cannot speak
// for two (RFC 6960, Section 4.2.2.2).
type voice struct {
	authority *ca.Authority
	issuer    *ocsp.Issuer
	delegate  atomic.Pointer[delegate]
}

// NewResponder has a responder certified for each issuer, on record.
func NewResponder(ctx context.Context, c ResponderConfig) (*Responder, error) {
	if c.Lifetime == 0 {
		c.Lifetime = time.Minute
	}
	if c.Cache == 0 {
		c.Cache = cacheBytes
	}
	r := &Responder{
		ResponderConfig: c, changed: make(chan struct{}, 1),
		cache: newCache(c.Cache), live: make(chan struct{}, maxLive),
	}
	if err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	r.stop = c.Store.OnRevoked(r.cache.drop)
	return r, nil
}

// Refresh answers for the issuers as they are now: it has a responder certified for
// each that is new, and falls silent for those that are gone.
func (s *Responder) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[*ca.Authority]*voice{}
	if old := s.voices.Load(); old != nil {
		for _, v := range *old {
			known[v.authority] = v
		}
	}
	var voices []*voice
	for _, authority := range s.Issuers.All() {
		v := known[authority]
		if v == nil {
			var err error
			if v, err = newVoice(ctx, s.Store, authority); err != nil {
				return fmt.Errorf("certifying the OCSP responder: %w", err)
			}
		}
		voices = append(voices, v)
	}
	s.voices.Store(&voices)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

func newVoice(ctx context.Context, db *store.DB, authority *ca.Authority) (*voice, error) {
	issuer, err := ocsp.NewIssuer(authority.Certificate())
	if err != nil {
		return nil, err
	}
	first, err := newDelegate(ctx, db, authority)
	if err != nil {
		return nil, err
	}
	v := &voice{authority: authority, issuer: issuer}
	v.delegate.Store(first)
	return v, nil
}

// Run renews each responder's key at half its certificate's life, until ctx ends; it
// returns nil.
func (s *Responder) Run(ctx context.Context) error {
	defer s.stop()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		next := time.Now().Add(time.Hour)
		for _, v := range *s.voices.Load() {
			if at := v.delegate.Load().renewAt(); at.Before(next) {
				next = at
			}
		}
		wait.Reset(max(time.Minute, time.Until(next))) // the issuer's end may be near
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
		case <-wait.C:
			if err := s.renew(ctx); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "renewing the OCSP responder's key", "error", err)
			}
		}
	}
}

// renew replaces the keys that are due.
func (s *Responder) renew(ctx context.Context) error {
	var failed error
	for _, v := range *s.voices.Load() {
		if time.Now().Before(v.delegate.Load().renewAt()) {
			continue
		}
		next, err := newDelegate(ctx, s.Store, v.authority)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		v.delegate.Store(next)
	}
	return failed
}

// voice returns who answers for a certificate, or nil if none of ours issued it.
func (s *Responder) voice(id ocsp.CertID) *voice {
	for _, v := range *s.voices.Load() {
		if v.issuer.Issued(id) {
			return v
		}
	}
	return nil
}
