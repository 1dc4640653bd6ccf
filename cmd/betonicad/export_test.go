package main

import (
	"context"
	"crypto"
	"crypto/x509"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// OpenStore opens the store of a CA whose daemon does not run.
func OpenStore(ctx context.Context, dir string) (*store.DB, error) {
	_, db, err := openStore(ctx, dir)
	return db, err
}

// OpenSigned is OpenStore, and the certificate that issues with its key.
func OpenSigned(ctx context.Context, dir string) (*store.DB, *x509.Certificate, crypto.Signer, error) {
	s, db, err := openStore(ctx, dir)
	if err != nil {
		return nil, nil, nil, err
	}
	one := s.intermediates[len(s.intermediates)-1]
	return db, one.certificate, one.signer, nil
}

func openStore(ctx context.Context, dir string) (*secrets, *store.DB, error) {
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
	db, err := store.Open(ctx, store.Config{DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Evidence: c.Audit.Evidence, IDFile: d.storeID(), Retention: c.StoreRetention()})
	return s, db, err
}
