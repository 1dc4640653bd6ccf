package attest

import (
	"crypto/fips140"
	"crypto/x509"
	"time"

	"github.com/betonica/betonica/ca"
)

// What foreign bytes go through.

func ParseAK(area []byte) (name []byte, err error) {
	ak, err := parseAK(area)
	return ak.name, err
}

func ParseEK(area []byte, certs [][]byte) error {
	chain, err := parseChain(certs)
	if err != nil {
		return err
	}
	ek, err := parseEK(area, chain)
	if err != nil {
		return err
	}
	fips140.WithoutEnforcement(func() { _, _, err = ek.hide(make([]byte, 32), make([]byte, 34)) })
	return err
}

func Vouched(certs [][]byte, root *x509.Certificate, now time.Time) (ca.TPM, error) {
	chain, err := parseChain(certs)
	if err != nil {
		return ca.TPM{}, err
	}
	return vouched(chain, []*x509.Certificate{root}, now)
}

func ReadTPMName(san []byte) (ca.TPM, bool) { return readTPMName(san) }
