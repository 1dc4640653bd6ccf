package main

import (
	"context"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// OpenStore opens the store of a CA whose daemon does not run.
func OpenStore(ctx context.Context, dir string) (*store.DB, error) {
	d, err := layoutOf(dir)
	if err != nil {
		return nil, err
	}
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return nil, err
	}
	s, err := openSecrets(d, c)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Evidence: c.Audit.Evidence})
}
