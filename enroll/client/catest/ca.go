package catest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An Issuer is a root with one intermediate: what a CA signs with.
type Issuer struct {
	TrustDomain  string
	Root         *x509.Certificate
	Intermediate *x509.Certificate
	key          crypto.Signer
}

// NewIssuer makes the two certificates, valid for ten years from now.
func NewIssuer(t testing.TB, trustDomain string) *Issuer {
	root, rootKey := newCA(t, "Test Root", nil, nil)
	sub, subKey := newCA(t, "Test Issuer", root, rootKey)
	return &Issuer{TrustDomain: trustDomain, Root: root, Intermediate: sub, key: subKey}
}

func newCA(t testing.TB, name string, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, crypto.Signer) {
	key := NewKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

// NewKey makes a P-256 key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	require.NoError(t, err)
	return n.SetBit(n, 120, 1)
}

// Leaf signs a certificate for pub with the SPIFFE ID
// spiffe://<trust domain>/<path>, good for a day, client and server. change, if
// not nil, may spoil the template first.
func (i *Issuer) Leaf(t testing.TB, pub crypto.PublicKey, path string, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "leaf"},
		URIs:      []*url.URL{{Scheme: "spiffe", Host: i.TrustDomain, Path: "/" + path}},
		NotBefore: time.Now().Add(-5 * time.Minute).Truncate(time.Second), NotAfter: time.Now().Add(24 * time.Hour).Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.Intermediate, pub, i.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// Certificate is [Issuer.Leaf] with a key of its own and its chain, for a
// tls.Config.
func (i *Issuer) Certificate(t testing.TB, path string, change func(*x509.Certificate)) tls.Certificate {
	key := NewKey(t)
	leaf := i.Leaf(t, key.Public(), path, change)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, i.Intermediate.Raw}, PrivateKey: key, Leaf: leaf}
}

// PEM writes certificates as a PEM chain.
func PEM(certs ...*x509.Certificate) string {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return string(text)
}
