package bundle

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nobody answers no request.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network")
}

// Whatever a server sends, a list is not held unless a CA has signed it: here nobody
// has the CA's key.
func FuzzTakeHoldsNothingUnsigned(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(f, err)
	issuer, err := x509.ParseCertificate(der)
	require.NoError(f, err)
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
	}, template, other)
	require.NoError(f, err)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list}))
	f.Add([]byte("-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"))
	k, err := New(Config{
		Path: f.TempDir() + "/chain.crl.pem", URL: "http://ca.hospital.example", HTTP: &http.Client{Transport: nobody{}},
		Machine: func() (chain, roots []*x509.Certificate) {
			return []*x509.Certificate{issuer}, []*x509.Certificate{issuer}
		},
	})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text []byte) {
		k.take(t.Context(), text, k.known())
		require.Empty(t, k.held)
	})
}
