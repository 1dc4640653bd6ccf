package main

import (
	"context"
	"log/slog"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
)

// A validation is the daemon's side of revocation.
type validation struct {
	revoker   *revoke.Revoker
	publisher *revoke.Publisher
	responder *revoke.Responder

	enforcement *revoke.Enforcement
}

// openValidation signs the first lists, and has the OCSP responder certified.
func openValidation(ctx context.Context, c *server.Config, s *secrets, db *store.DB, authority *ca.Authority, logger *slog.Logger) (*validation, error) {
	clock := revoke.NewClock()
	publisher, err := revoke.NewPublisher(ctx, revoke.PublisherConfig{
		Store: db, Authority: authority, Clock: clock, RootCRL: s.statement.crl,
		Lifetime: c.CRL.Lifetime.Duration, Heartbeat: c.CRL.Heartbeat.Duration, Log: logger,
	})
	if err != nil {
		return nil, err
	}
	responder, err := revoke.NewResponder(ctx, revoke.ResponderConfig{
		Store: db, Authority: authority, Clock: clock,
		RootResponder: s.statement.responder, RootKey: s.statement.key, RootCRL: publisher.RootCRL(),
		Lifetime: c.OCSP.Lifetime.Duration, Cache: int(c.OCSP.Cache), Log: logger,
	})
	if err != nil {
		return nil, err
	}
	enforcement, err := revoke.NewEnforcement(ctx, revoke.EnforcementConfig{
		Store: db, Signed: func() []revoke.Signed { return []revoke.Signed{publisher.Signed()} },
		Heartbeat: c.CRL.Heartbeat.Duration, Log: logger,
	})
	if err != nil {
		return nil, err
	}
	return &validation{&revoke.Revoker{Store: db, Log: logger}, publisher, responder, enforcement}, nil
}
