package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/revoke/x690"
)

// An Issuer is a CA whose certificates are asked about.
type Issuer struct {
	certificate *x509.Certificate
	keyID       [sha1name.Size]byte // the responder id of the CA itself
	hashes      [len(hashes)]struct{ name, key []byte }
}

// NewIssuer takes the CA's certificate. A relying party must trust it already, for
// this time: nothing here looks at its chain or its dates.
func NewIssuer(certificate *x509.Certificate) (*Issuer, error) {
	key, err := keyBits(certificate)
	if err != nil {
		return nil, err
	}
	i := &Issuer{certificate: certificate, keyID: sha1name.Of(key)}
	for n, h := range hashes {
		i.hashes[n].name = sum(h.hash, certificate.RawSubject)
		i.hashes[n].key = sum(h.hash, key)
	}
	return i, nil
}

// Issued reports whether id names a certificate of this issuer. Whether there is one
// with that serial number, it cannot know.
func (i *Issuer) Issued(id CertID) bool {
	for n := range hashes {
		if hashes[n].hash == id.hash {
			return bytes.Equal(i.hashes[n].name, id.nameHash) && bytes.Equal(i.hashes[n].key, id.keyHash)
		}
	}
	return false
}

// CertID names the certificate with this serial number, high octet first, of 1 to 20
// octets. The hash is one of SHA-1, SHA-256, SHA-384 and SHA-512.
func (i *Issuer) CertID(hash crypto.Hash, serial []byte) (CertID, error) {
	if len(serial) == 0 || len(serial) > maxSerial {
		return CertID{}, fmt.Errorf("serial number of %d octets; it must have 1 to %d", len(serial), maxSerial)
	}
	for n := range hashes {
		if hashes[n].hash == hash {
			return newCertID(hash, i.hashes[n].name, i.hashes[n].key, serial), nil
		}
	}
	return CertID{}, fmt.Errorf("no CertID is made with hash algorithm %d", hash)
}

// keyBits returns the contents of the BIT STRING subjectPublicKey without its count
// of unused bits: what RFC 6960 calls the value of the key.
func keyBits(certificate *x509.Certificate) ([]byte, error) {
	r := x690.Document(certificate.RawSubjectPublicKeyInfo, "subjectPublicKeyInfo")
	r.Skip(x690.Sequence, "algorithm")
	bits := r.Octets("subjectPublicKey")
	return bits, r.Err
}
