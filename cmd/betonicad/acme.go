package main

import (
	"context"
	"log/slog"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// openACME makes the ACME server of the configuration; nil if there is to be none.
func openACME(c *server.Config, db *store.DB, registrar *enroll.Registrar, issuers *ca.Issuers, revoker *revoke.Revoker, logger *slog.Logger) (*acme.Handler, error) {
	a := c.ACME
	if !server.On(a.Enabled) {
		return nil, nil
	}
	settings := acme.Settings{
		RequireEAB: server.On(a.RequireEAB), DefaultRole: a.DefaultRole, TermsOfService: a.TermsOfService.String(),
		Limits: acme.Limits{
			AccountsPerSource: int(a.AccountsPerSource), OrdersPerAccount: int(a.OrdersPerAccount),
			OrdersPerIdentity: int(a.OrdersPerIdentity), FailuresPerAccount: int(a.FailuresPerAccount),
		},
	}
	if _, ok := registrar.Policies.Current().Role(a.DefaultRole); a.DefaultRole != "" && !ok {
		logger.Warn("policy has no role of the name in acme.default_role: orders without a profile are refused", "role", a.DefaultRole)
	}
	where := validate.Config{HTTPPort: int(a.HTTPPort), TLSALPNPort: int(a.TLSALPNPort), Resolver: a.Resolver.String()}
	for _, network := range a.AllowNetworks {
		where.AllowNetworks = append(where.AllowNetworks, network.Prefix)
	}
	validator, err := validate.New(where)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(c.Server.Names))
	for i, name := range c.Server.Names {
		names[i] = name.String()
	}
	return acme.New(acme.Config{
		Registrar: registrar, Store: db, Issuers: issuers, Validator: validator, Revoker: holders{revoker},
		Names: names, Settings: settings, Log: logger,
	})
}

// holders revokes for those who hold the certificate.
type holders struct{ *revoke.Revoker }

func (h holders) RevokeCertificate(ctx context.Context, by acme.Requester, serial store.Serial, reason int) error {
	fallen, err := h.Serial(ctx, revoke.By{Name: by.Name, Address: by.From, RequestID: enroll.RequestID(ctx)}, serial, revoke.Order{Reason: crl.Reason(reason)})
	if err == nil && fallen.Already {
		return acme.ErrAlreadyRevoked
	}
	return err
}
