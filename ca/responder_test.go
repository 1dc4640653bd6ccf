package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// A responder's certificate is good for OCSP answers and nothing else, is issued
// directly by who it answers for, lives at most a week, and exempts itself from
// being asked about. Otherwise strict peers refuse each of our answers.
func TestIssueResponder(t *testing.T) {
	h, err := ca.Create(ca.CreateConfig{TrustDomain: "hospital.example"})
	require.NoError(t, err)
	a, err := ca.New(ca.Config{Certificate: h.Intermediate, Root: h.Root, Signer: h.IntermediateKey, URL: "http://ca.hospital.example"})
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	var recorded *x509.Certificate
	cert, err := a.IssueResponder(key.Public(), func(c *x509.Certificate) error { recorded = c; return nil })
	require.NoError(t, err)
	require.Same(t, recorded, cert)
	require.NoError(t, cert.CheckSignatureFrom(h.Intermediate))
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, cert.ExtKeyUsage)
	require.Equal(t, x509.KeyUsageDigitalSignature, cert.KeyUsage)
	require.False(t, cert.IsCA)
	require.Empty(t, cert.OCSPServer)
	require.Empty(t, cert.CRLDistributionPoints)
	require.LessOrEqual(t, time.Until(cert.NotAfter), ca.ResponderLifetime)
	noCheck := false
	for _, e := range cert.Extensions {
		noCheck = noCheck || e.Id.String() == "1.3.6.1.5.5.7.48.1.5"
	}
	require.True(t, noCheck)

	// What could not be recorded is not handed out.
	full := errors.New("disk full")
	cert, err = a.IssueResponder(key.Public(), func(*x509.Certificate) error { return full })
	require.ErrorIs(t, err, full)
	require.Nil(t, cert)
}

// The root signs lists and responders only with its own key, and only in time.
func TestRoot(t *testing.T) {
	h, err := ca.Create(ca.CreateConfig{TrustDomain: "hospital.example"})
	require.NoError(t, err)
	root, err := ca.NewRoot(h.Root, h.RootKey, nil)
	require.NoError(t, err)

	cert, err := root.IssueResponder(h.IntermediateKey.Public(), 365*24*time.Hour)
	require.NoError(t, err)
	require.NoError(t, cert.CheckSignatureFrom(h.Root))
	_, err = root.IssueResponder(h.IntermediateKey.Public(), 2*365*24*time.Hour)
	require.Error(t, err)

	digest := sha256.Sum256([]byte("a list"))
	_, err = root.SignCRL(digest[:], crypto.SHA256)
	require.Error(t, err, "the root's key is P-384, and takes SHA-384")

	_, err = ca.NewRoot(h.Root, h.IntermediateKey, nil)
	require.Error(t, err, "another key")
	_, err = ca.NewRoot(h.Intermediate, h.IntermediateKey, nil)
	require.Error(t, err, "not a root")
	_, err = ca.NewRoot(h.Root, h.RootKey, func() time.Time { return time.Now().AddDate(11, 0, 0) })
	require.ErrorIs(t, err, ca.ErrExpired)
}
