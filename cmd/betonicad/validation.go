package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/store"
)

// A validation is the daemon's side of revocation.
type validation struct {
	revoker    *revoke.Revoker
	root       *revoke.Anchor
	publishers *revoke.Publishers
	responder  *revoke.Responder
	mirror     *revoke.Mirror // nil: there is none

	enforcement *enforcement.Registry

	lag   *server.RevocationLag
	lists revoke.PublisherConfig // of every issuer
}

// openValidation signs the first lists, and has the OCSP responders certified.
func openValidation(ctx context.Context, c *server.Config, s *secrets, db *store.DB, issuers *ca.Issuers, logger *slog.Logger) (*validation, error) {
	clock := revoke.NewClock()
	clock.Stopped = db.Stopped // a store that was set back forgets revocations
	v := &validation{
		revoker: &revoke.Revoker{Store: db, Log: logger}, lag: server.NewRevocationLag(),
		lists: revoke.PublisherConfig{
			Store: db, Clock: clock,
			Lifetime: c.CRL.Lifetime.Duration, Heartbeat: c.CRL.Heartbeat.Duration, MaxBytes: c.CRL.MaxBytes.N, Log: logger,
		},
	}
	var err error
	if v.root, err = revoke.NewAnchor(s.root, s.statement); err != nil {
		return nil, err
	}
	v.publishers = revoke.NewPublishers(v.root)
	if c.CRL.PublishDir != "" {
		v.mirror = revoke.NewMirror(revoke.MirrorConfig{
			Dir: c.CRL.PublishDir, Publishers: v.publishers.All, Root: v.root.CRL,
			Certificates: func() []*x509.Certificate { return append(issuers.Certificates(), s.root) }, Log: logger,
		})
	}
	db.OnRevoked(func(all []store.Revocation, _ bool) { v.lag.Revoked(all) })
	v.responder, err = revoke.NewResponder(ctx, revoke.ResponderConfig{
		Store: db, Issuers: issuers, Clock: clock, Root: v.root,
		Lifetime: c.OCSP.Lifetime.Duration, Cache: int(c.OCSP.Cache), Log: logger,
	})
	if err != nil {
		return nil, err
	}
	v.enforcement, err = enforcement.New(ctx, enforcement.Config{
		Store: db, Signed: v.publishers.Signed, Heartbeat: c.CRL.Heartbeat.Duration, Log: logger,
	})
	if err != nil {
		return nil, err
	}
	return v, v.follow(ctx, issuers, nil)
}

// Health returns why lists, or their files, are not being renewed, or nil.
func (v *validation) Health() error {
	err := v.publishers.Health()
	if v.mirror != nil {
		err = errors.Join(err, v.mirror.Health())
	}
	return err
}

// follow publishes for the issuers as they are now, and answers OCSP for them. Of
// those that rest the last list stays.
func (v *validation) follow(ctx context.Context, issuers *ca.Issuers, resting []*x509.Certificate) error {
	var all []*revoke.Publisher
	for _, authority := range issuers.All() {
		p := v.publishers.Of(authority.IssuerID())
		if p == nil {
			config := v.lists
			config.Authority = authority
			config.Changed = func() { v.announce(authority.IssuerID()) }
			var err error
			if p, err = revoke.NewPublisher(ctx, config); err != nil {
				return err
			}
		}
		all = append(all, p)
	}
	last := map[string]*revoke.Document{}
	for _, cert := range resting {
		kept, err := v.revoker.Store.LatestCRL(ctx, hex.EncodeToString(cert.SubjectKeyId), "full")
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if last[kept.Issuer], err = revoke.OpenDocument(kept, cert); err != nil {
			delete(last, kept.Issuer)
			v.lists.Log.ErrorContext(ctx, "the last list of an issuer that rests is not served", "issuer", kept.Issuer, "error", err)
		}
	}
	v.publishers.Set(all, last)
	if v.mirror != nil { // there may be others, and another statement of the root
		v.mirror.Poke()
	}
	return v.responder.Refresh(ctx)
}

// announce is called when an issuer has new lists. It does not wait.
func (v *validation) announce(issuer string) {
	if p := v.publishers.Of(issuer); p != nil {
		v.lag.Published(issuer, p.Delta().Number)
	}
	if v.mirror != nil {
		v.mirror.Poke()
	}
}
