package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

// OpenStore opens the store of a CA whose daemon does not run.
func OpenStore(ctx context.Context, dir string) (*store.DB, error) {
	_, db, err := openStore(ctx, dir)
	return db, err
}

// OpenRegistrar opens the funnel of a CA whose daemon does not run, as it was when
// the daemon ran last. The store is to be closed.
func OpenRegistrar(ctx context.Context, dir string) (*enroll.Registrar, *store.DB, error) {
	i, db, err := openStore(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	registrar, err := enroll.New(ctx, enroll.Config{Store: db, Issuers: i.issuers, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return registrar, db, nil
}

func openStore(ctx context.Context, dir string) (*issuance, *store.DB, error) {
	d, err := layoutOf(dir)
	if err != nil {
		return nil, nil, err
	}
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return nil, nil, err
	}
	s, err := openSecrets(d, c)
	if err != nil {
		return nil, nil, err
	}
	i, err := newIssuance(d, c, "http://ca.test.example", s, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Open(ctx, store.Config{DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Evidence: c.Audit.Evidence})
	return i, db, err
}
