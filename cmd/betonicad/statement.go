package main

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/revoke"
)

// rootOCSPName is what the key of the root's responder is sealed as.
const rootOCSPName = "root OCSP responder"

// A statement is what the root said of the intermediate in its last ceremony, as
// the daemon reads it.
type statement struct {
	crl       []byte // DER
	responder *x509.Certificate
	key       crypto.Signer
}

// writeStatement writes the files of a statement by write. The list comes last:
// it is what counts.
func writeStatement(d layout, said *revoke.RootStatement, sealer *keys.Sealer, write func(string, []byte) error) error {
	key, err := x509.MarshalPKCS8PrivateKey(said.Key)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path    string
		content []byte
	}{
		{d.rootOCSPKey(), sealer.Seal(rootOCSPName, key)},
		{d.rootResponder(), encodeCertificate(said.Responder)},
		{d.rootCRL(), said.CRL},
	} {
		if err := write(f.path, f.content); err != nil {
			return err
		}
	}
	return nil
}

// readStatement reads what writeStatement wrote.
func readStatement(d layout, sealer *keys.Sealer) (*statement, error) {
	var s statement
	var err error
	if s.crl, err = os.ReadFile(d.rootCRL()); err != nil {
		return nil, err
	}
	if s.responder, err = readCertificate(d.rootResponder()); err != nil {
		return nil, err
	}
	sealed, err := os.ReadFile(d.rootOCSPKey())
	if err != nil {
		return nil, err
	}
	encoded, err := sealer.Open(rootOCSPName, sealed)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", d.rootOCSPKey(), err)
	}
	key, err := x509.ParsePKCS8PrivateKey(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.rootOCSPKey(), err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New(d.rootOCSPKey() + " does not hold a key that signs")
	}
	s.key = signer
	return &s, nil
}
