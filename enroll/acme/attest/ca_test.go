package attest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	born = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now  = born.Add(24 * time.Hour)
	dies = time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)

	oidAIK = asn1.ObjectIdentifier{2, 23, 133, 8, 3}
	oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// An attestationCA certifies attestation keys: a root, and a CA below it.
type attestationCA struct {
	root, sub       *x509.Certificate
	rootKey, subKey crypto.Signer
}

// newCA returns one whose lower CA is made from a template that bend may bend.
func newCA(t testing.TB, bend func(sub *x509.Certificate)) *attestationCA {
	ca := &attestationCA{rootKey: newKey(t), subKey: newKey(t)}
	root := caTemplate("Root")
	ca.root = sign(t, root, root, ca.rootKey.Public(), ca.rootKey)
	sub := caTemplate("Attestation")
	if bend != nil {
		bend(sub)
	}
	ca.sub = sign(t, sub, ca.root, ca.subKey.Public(), ca.rootKey)
	return ca
}

// roots returns the pool that trusts the CA.
func (ca *attestationCA) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.root)
	return pool
}

// certify returns the x5c of an attestation key.
func (ca *attestationCA) certify(t testing.TB, template *x509.Certificate, ak crypto.PublicKey) [][]byte {
	return [][]byte{sign(t, template, ca.sub, ak, ca.subKey).Raw, ca.sub.Raw}
}

// akTemplate returns what the certificate of an attestation key is made of: the
// usage, and a critical subjectAltName with what a TPM's has in it, and names.
func akTemplate(names ...asn1.RawValue) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:       big.NewInt(7),
		NotBefore:          born,
		NotAfter:           dies,
		KeyUsage:           x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{oidAIK},
		ExtraExtensions:    []pkix.Extension{subjectAltName(append([]asn1.RawValue{tpmName()}, names...)...)},
	}
}

func subjectAltName(names ...asn1.RawValue) pkix.Extension {
	return pkix.Extension{Id: oidSAN, Critical: true, Value: der(names)}
}

// tpmName is the directoryName of a TPM: maker, model, version (TCG EK Credential
// Profile, Section 3.1.2).
func tpmName() asn1.RawValue {
	var rdn pkix.RelativeDistinguishedNameSET
	for i, v := range []string{"id:54455354", "test", "id:00010001"} {
		rdn = append(rdn, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 23, 133, 2, i + 1}, Value: v})
	}
	return explicit(4, der(pkix.RDNSequence{rdn}))
}

// permanentIdentifier is the otherName of RFC 4043 with value, or without one if
// that is "".
func permanentIdentifier(value string) asn1.RawValue { return otherName(3, value) }

// otherName is one of that form, whose type is id-on and a number.
func otherName(on int, value string) asn1.RawValue {
	type identifier struct {
		Value string `asn1:"utf8,optional"`
	}
	oid := der(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, on})
	return explicit(0, append(oid, der(explicit(0, der(identifier{value})))...))
}

// explicit returns content under a constructed context-specific tag.
func explicit(tag int, content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: content}
}

func der(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: born, NotAfter: dies,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func sign(t testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return cert
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}
