package main

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store/audit"
)

// logKeyName is what the log's master secret is sealed as.
const logKeyName = "audit log"

// secrets are what the passphrase opens.
type secrets struct {
	root, intermediate *x509.Certificate
	signer             crypto.Signer // of the intermediate
	sealer             *keys.Sealer
	statement          *statement // the root's
	log                *audit.Keys
}

// openSecrets opens the keys of the CA in d. It takes a tenth of a second, on
// purpose: the passphrase is stretched.
func openSecrets(d layout, c *server.Config) (*secrets, error) {
	var s secrets
	var err error
	if s.root, err = readCertificate(d.rootCertificate()); err != nil {
		return nil, err
	}
	if s.intermediate, err = readCertificate(d.intermediate()); err != nil {
		return nil, err
	}
	passphrase, err := keys.ReadPassphrase(c.CA.PassphraseFile)
	if err != nil {
		return nil, err
	}
	if s.signer, err = keys.Open(c.CA.Key, passphrase); err != nil {
		return nil, err
	}
	public, ok := s.intermediate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(s.signer.Public()) {
		return nil, fmt.Errorf("the key %s is not the one of the certificate %s", c.CA.Key, d.intermediate())
	}
	sealer, err := keys.NewSealer(s.signer)
	if err != nil {
		return nil, err
	}
	sealed, err := os.ReadFile(d.logKey())
	if err != nil {
		return nil, err
	}
	master, err := sealer.Open(logKeyName, sealed)
	if err != nil || len(master) != 32 {
		return nil, fmt.Errorf("opening the log's key %s: %w", d.logKey(), keys.ErrSealed)
	}
	s.log = audit.NewKeys([32]byte(master))
	s.sealer = sealer
	s.statement, err = readStatement(d, sealer)
	return &s, err
}

// origin is the name of the log of a trust domain.
func origin(trustDomain string) string { return trustDomain + "/log" }

// trustDomain is the one that the intermediate may name: package ca has checked
// that there is exactly one, or will.
func (s *secrets) trustDomain() string {
	if domains := s.intermediate.PermittedURIDomains; len(domains) == 1 {
		return domains[0]
	}
	return ""
}
