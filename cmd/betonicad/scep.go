package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/scep"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
)

// scepKeyBits is the size of the keys that SCEP clients encrypt to.
const scepKeyBits = 3072

// openSCEP makes the SCEP server of the configuration; nil if there is to be none.
func openSCEP(ctx context.Context, d layout, c *server.Config, s *secrets, db *store.DB, publishers *revoke.Publishers, registrar *enroll.Registrar, issuers *ca.Issuers, logger *slog.Logger) (*scep.Handler, error) {
	if !c.SCEP.Enabled {
		return nil, nil
	}
	authorities := make(map[string]*scep.Authority)
	for _, role := range c.SCEP.Names() {
		name := "scep-" + role
		if _, err := ca.NewID(issuers.TrustDomain(), ca.RoleCA, name); err != nil {
			return nil, fmt.Errorf("serving SCEP to role %q: %w", role, err)
		}
		key, err := openSCEPKey(ctx, db, d.scepKey(role), name, s.sealer)
		if err != nil {
			return nil, err
		}
		authorities[role] = &scep.Authority{Key: key, Issue: func(ctx context.Context) (*x509.Certificate, error) {
			return registrar.SelfFor(ctx, name, key)
		}}
	}
	crl := func(issuer *x509.Certificate) []byte {
		if p := publishers.Of(hex.EncodeToString(issuer.SubjectKeyId)); p != nil && p.Full() != nil {
			return p.Full().DER
		}
		return nil
	}
	return scep.New(scep.Config{Registrar: registrar, Issuers: issuers, Authorities: authorities, CRL: crl, Log: logger})
}

// openSCEPKey opens the key of that name, which lies sealed in the store, so that replicas
// have the same, and backups have it. Where there is none it is made, unless a CA of before
// has it in a file. Devices that have encrypted to one that is lost ask again for the new
// one.
func openSCEPKey(ctx context.Context, db *store.DB, file, name string, sealer *keys.Sealer) (*rsa.PrivateKey, error) {
	sealed, err := db.Sealed(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		if sealed, err = os.ReadFile(file); errors.Is(err, fs.ErrNotExist) {
			sealed, err = makeSCEPKey(name, sealer)
		}
		if err == nil {
			sealed, err = db.KeepSealed(ctx, name, sealed)
		}
	}
	if err != nil {
		return nil, err
	}
	secret, err := sealer.Open(name, sealed)
	if err != nil {
		return nil, fmt.Errorf("opening the key of %s: %w", name, err)
	}
	defer clear(secret)
	parsed, err := x509.ParsePKCS8PrivateKey(secret)
	if err != nil {
		return nil, fmt.Errorf("opening the key of %s: %w", name, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of %s is not RSA", name)
	}
	return key, nil
}

// makeSCEPKey returns a new key, sealed under the name.
func makeSCEPKey(name string, sealer *keys.Sealer) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, scepKeyBits)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return sealer.Seal(name, secret), nil
}
