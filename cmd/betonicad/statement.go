package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/revoke"
)

const (
	// rootOCSPName is what the key of the root's responder is sealed as.
	rootOCSPName = "root OCSP responder"
	sealedType   = "BETONICA SEALED KEY"
)

// writeStatement writes what the root said in a ceremony, by write. The responder is
// one file with its key, so that it is whole at every moment; the list comes last,
// and each of the two is good with the other's version of before.
func writeStatement(d layout, said *revoke.RootStatement, sealer *keys.Sealer, write func(string, []byte) error) error {
	key, err := x509.MarshalPKCS8PrivateKey(said.Key)
	if err != nil {
		return err
	}
	responder := append(encodeCertificate(said.Responder),
		pem.EncodeToMemory(&pem.Block{Type: sealedType, Bytes: sealer.Seal(rootOCSPName, key)})...)
	if err := write(d.rootResponder(), responder); err != nil {
		return err
	}
	return write(d.rootCRL(), said.CRL)
}

// readStatement reads what writeStatement wrote, now or in an earlier version.
func readStatement(d layout, sealer *keys.Sealer) (*revoke.RootStatement, error) {
	var s revoke.RootStatement
	var err error
	if s.CRL, err = os.ReadFile(d.rootCRL()); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(d.rootResponder())
	if err != nil {
		return nil, err
	}
	var rest []byte
	if s.Responder, rest, err = decodeCertificate(text); err != nil {
		return nil, fmt.Errorf("%s: %w", d.rootResponder(), err)
	}
	var sealed []byte
	if block, end := pem.Decode(rest); block != nil && block.Type == sealedType && len(bytes.TrimSpace(end)) == 0 {
		sealed = block.Bytes
	} else if sealed, err = os.ReadFile(d.rootOCSPKey()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s holds no key", d.rootResponder())
		}
		return nil, err
	}
	if s.Key, err = openRootOCSPKey(sealer, sealed); err != nil {
		return nil, fmt.Errorf("opening the key of %s: %w", d.rootResponder(), err)
	}
	return &s, nil
}

func openRootOCSPKey(sealer *keys.Sealer, sealed []byte) (crypto.Signer, error) {
	encoded, err := sealer.Open(rootOCSPName, sealed)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(encoded)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it does not sign")
	}
	return signer, nil
}
