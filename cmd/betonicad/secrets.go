package main

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"slices"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store/audit"
)

// logKeyName is what the log's master secret is sealed as.
const logKeyName = "audit log"

// secrets are what the passphrase opens.
type secrets struct {
	root          *x509.Certificate
	roster        *roster
	intermediates []intermediate // in the order of their making
	sealer        *keys.Sealer
	statement     *revoke.RootStatement
	log           *audit.Keys
}

// An intermediate is a certificate with its key.
type intermediate struct {
	id          string // subject key identifier, in hex
	certificate *x509.Certificate
	signer      crypto.Signer
	ref         string // of a new one's key in a token
}

// openSecrets opens the keys of the CA in d. It takes a tenth of a second for each
// intermediate, on purpose: the passphrase is stretched.
func openSecrets(d layout, c *server.Config) (_ *secrets, err error) {
	var s secrets
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.root, err = readCertificate(d.rootCertificate()); err != nil {
		return nil, err
	}
	if s.roster, err = readRoster(d); err != nil {
		return nil, err
	}
	passphrase, err := keys.ReadPassphrase(c.CA.PassphraseFile)
	if err != nil {
		return nil, err
	}
	for _, m := range s.roster.Intermediates {
		one, err := openMember(d, c, m, passphrase)
		if err != nil {
			return nil, err
		}
		s.intermediates = append(s.intermediates, one)
	}
	if s.sealer, err = openSealer(d, s.intermediates[0].signer, passphrase); err != nil {
		return nil, err
	}
	if s.log, err = openLogKey(d, s.sealer); err != nil {
		return nil, err
	}
	s.statement, err = readStatement(d, s.sealer)
	return &s, err
}

// close ends the sessions with the tokens that keys lie in.
func (s *secrets) close() {
	for _, one := range s.intermediates {
		closeKey(one.signer)
	}
}

func closeKey(key crypto.Signer) {
	if token, ok := key.(*keys.TokenKey); ok {
		token.Close() // whatever it says, it is not used any more
	}
}

// keyOf returns the reference to the key of one of the roster's.
func keyOf(d layout, c *server.Config, m member) string {
	switch {
	case keys.InToken(m.Key):
		return m.Key
	case m.Key != "":
		return "file:" + d.inKeys(m.Key)
	}
	return c.CA.Key
}

// openMember opens one of the roster's.
func openMember(d layout, c *server.Config, m member, passphrase []byte) (intermediate, error) {
	one, err := openIntermediate(d.inKeys(m.Certificate), keyOf(d, c, m), passphrase)
	if err == nil && one.id != m.ID {
		err = fmt.Errorf("%s is not the intermediate %s", d.inKeys(m.Certificate), m.ID)
	}
	return one, err
}

// openSealer returns what opens the CA's other secrets: the first intermediate's key,
// or where that lies in a token, from which nothing can be derived that nobody else
// could have, the one that was made for it.
func openSealer(d layout, first crypto.Signer, passphrase []byte) (*keys.Sealer, error) {
	if _, token := first.(*keys.TokenKey); token {
		return openSealingKey(d, passphrase)
	}
	return keys.NewSealer(first)
}

func openSealingKey(d layout, passphrase []byte) (*keys.Sealer, error) {
	key, err := keys.Open("file:"+d.sealingKey(), passphrase)
	if err != nil {
		return nil, err
	}
	return keys.NewSealer(key)
}

// openLogKey opens the audit log's master secret.
func openLogKey(d layout, sealer *keys.Sealer) (*audit.Keys, error) {
	sealed, err := os.ReadFile(d.logKey())
	if err != nil {
		return nil, err
	}
	master, err := sealer.Open(logKeyName, sealed)
	if err != nil || len(master) != 32 {
		return nil, fmt.Errorf("opening the log's key %s: %w", d.logKey(), keys.ErrSealed)
	}
	return audit.NewKeys([32]byte(master)), nil
}

func openIntermediate(file, ref string, passphrase []byte) (intermediate, error) {
	cert, err := readCertificate(file)
	if err != nil {
		return intermediate{}, err
	}
	signer, err := keys.Open(ref, passphrase)
	if err != nil {
		return intermediate{}, err
	}
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(signer.Public()) {
		closeKey(signer)
		return intermediate{}, fmt.Errorf("the key %s is not the one of the certificate %s", ref, file)
	}
	return intermediate{id: hex.EncodeToString(cert.SubjectKeyId), certificate: cert, signer: signer}, nil
}

// check returns an error unless the intermediates and the root's statement are the
// root's, and all of one trust domain.
func (s *secrets) check() error {
	if err := s.root.CheckSignatureFrom(s.root); err != nil {
		return fmt.Errorf("the root %q did not sign itself: %w", s.root.Subject, err)
	}
	for _, one := range s.intermediates {
		if err := one.certificate.CheckSignatureFrom(s.root); err != nil {
			return fmt.Errorf("%q is not of the root %q: %w", one.certificate.Subject, s.root.Subject, err)
		}
		if s.trustDomain() == "" || !slices.Equal(one.certificate.PermittedURIDomains, []string{s.trustDomain()}) {
			return fmt.Errorf("%q is of another trust domain", one.certificate.Subject)
		}
	}
	_, err := revoke.NewAnchor(s.root, s.statement)
	return err
}

// intermediate returns the one with this id. The roster has it.
func (s *secrets) intermediate(id string) *x509.Certificate {
	for _, one := range s.intermediates {
		if one.id == id {
			return one.certificate
		}
	}
	return nil
}

// origin is the name of the log of a trust domain.
func origin(trustDomain string) string { return trustDomain + "/log" }

// trustDomain is the one that the intermediates may name: package ca has checked
// that there is exactly one, or will.
func (s *secrets) trustDomain() string {
	if domains := s.intermediates[0].certificate.PermittedURIDomains; len(domains) == 1 {
		return domains[0]
	}
	return ""
}
