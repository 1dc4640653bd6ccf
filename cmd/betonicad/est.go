package main

import (
	"crypto/tls"
	"log/slog"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/est"
)

// openEST makes the EST server of the configuration; nil if there is to be none.
func openEST(c *server.Config, registrar *enroll.Registrar, issuers *ca.Issuers, identity func() (*tls.Certificate, error), logger *slog.Logger) (*est.Handler, error) {
	if !c.EST.Enabled {
		return nil, nil
	}
	policy := registrar.Policies.Current()
	for _, role := range c.EST.Roles() {
		if _, ok := policy.Role(role); !ok {
			logger.Warn("policy has no role of a name in est.labels: nobody gets anything by it", "role", role)
		}
	}
	return est.New(est.Config{Registrar: registrar, Issuers: issuers, Identity: identity, Labels: c.EST.Roles(), Log: logger})
}
