package journal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// A Statement is a machine's word, signed by its certificate's key, that a journal is
// its own and by which key the journal's checkpoints are signed.
type Statement struct {
	Origin    string   `json:"origin"`
	Key       string   `json:"key"`   // of the checkpoints, as [checkpoint.NewVerifier] reads it
	Chain     [][]byte `json:"chain"` // DER; the machine's own certificate first
	Signature []byte   `json:"signature"`
}

// text is what is signed.
func (s Statement) text() []byte {
	return []byte("betonica journal statement/1\n" + s.Origin + "\n" + s.Key + "\n")
}

// Certify makes the statement of a journal with a machine's certificate and key: ECDSA
// or RSA (PSS) over SHA-256, or Ed25519.
func Certify(origin, key string, c *tls.Certificate) (Statement, error) {
	s := Statement{Origin: origin, Key: key, Chain: c.Certificate}
	signer, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return s, errors.New("journal: the certificate's key does not sign")
	}
	digest := sha256.Sum256(s.text())
	var err error
	switch signer.Public().(type) {
	case ed25519.PublicKey:
		s.Signature, err = signer.Sign(rand.Reader, s.text(), crypto.Hash(0))
	case *rsa.PublicKey:
		s.Signature, err = signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	default:
		s.Signature, err = signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		return s, fmt.Errorf("journal: certifying its key: %w", err)
	}
	return s, nil
}

// Certificate returns the machine's certificate if its key signed the statement. Whether
// it is one to be trusted is for the caller to say.
func (s Statement) Certificate() (*x509.Certificate, error) {
	if len(s.Chain) == 0 {
		return nil, errors.New("journal: a statement without a certificate")
	}
	c, err := x509.ParseCertificate(s.Chain[0])
	if err != nil {
		return nil, fmt.Errorf("journal: the certificate of a statement: %w", err)
	}
	digest, ok := sha256.Sum256(s.text()), false
	switch k := c.PublicKey.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, s.text(), s.Signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPSS(k, crypto.SHA256, digest[:], s.Signature, nil) == nil
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest[:], s.Signature)
	}
	if !ok {
		return nil, errors.New("journal: the certificate's key did not sign the statement")
	}
	return c, nil
}

const statementFile = "statement"

// ReadStatement returns the statement in the folder of a journal.
func ReadStatement(dir string) (Statement, error) {
	var s Statement
	text, err := os.ReadFile(dir + "/" + statementFile)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, damaged("the statement: %v", err)
	}
	return s, nil
}

// openStatement certifies the journal's key, unless the certificate of now did already.
func (j *Journal) openStatement() error {
	if j.cfg.Certificate == nil {
		return nil
	}
	c, err := j.cfg.Certificate()
	if err != nil {
		return fmt.Errorf("the machine's certificate: %w", err)
	}
	key, err := j.keys.VerifierKey(j.origin)
	if err != nil {
		return err
	}
	if j.held == string(c.Certificate[0]) {
		return nil
	}
	if old, err := ReadStatement(j.cfg.Dir); err == nil && old.Key == key && len(old.Chain) > 0 && bytes.Equal(old.Chain[0], c.Certificate[0]) {
		j.held = string(c.Certificate[0])
		return nil
	}
	s, err := Certify(j.origin, key, c)
	if err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := replace(j.path(statementFile), append(text, '\n')); err != nil {
		return err
	}
	j.held = string(c.Certificate[0])
	return nil
}
