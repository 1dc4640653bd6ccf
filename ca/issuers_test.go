package ca_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// next returns the authority that follows the one of h.
func next(t *testing.T, h *ca.Hierarchy) *ca.Authority {
	root, err := ca.NewRoot(h.Root, h.RootKey, nil)
	require.NoError(t, err)
	cert, key, err := root.NextIntermediate(h.Intermediate, nil)
	require.NoError(t, err)
	a, err := ca.New(ca.Config{Certificate: cert, Root: h.Root, Signer: key, URL: "http://ca.hospital.example:8080"})
	require.NoError(t, err)
	return a
}

// The next intermediate may do what the first may, and nothing more, under another
// key and name; it ends with the root at the latest, and only its own root makes it.
func TestNextIntermediate(t *testing.T) {
	h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, CriticalConstraints: true, URL: "http://ca.example"})
	require.NoError(t, err)
	first, cert := h.Intermediate, next(t, h).Certificate()
	require.NotEqual(t, first.PublicKey, cert.PublicKey)
	require.NotEqual(t, first.Subject.CommonName, cert.Subject.CommonName)
	require.NotEqual(t, first.SerialNumber, cert.SerialNumber)
	for _, of := range []func(*x509.Certificate) any{
		func(c *x509.Certificate) any { return c.PermittedURIDomains },
		func(c *x509.Certificate) any { return c.PermittedDNSDomainsCritical },
		func(c *x509.Certificate) any { return c.MaxPathLenZero },
		func(c *x509.Certificate) any { return c.KeyUsage },
		func(c *x509.Certificate) any { return c.AuthorityKeyId },
		func(c *x509.Certificate) any { return c.OCSPServer },
		func(c *x509.Certificate) any { return c.CRLDistributionPoints },
		func(c *x509.Certificate) any { return c.IssuingCertificateURL },
	} {
		require.Equal(t, of(first), of(cert))
	}

	late, err := ca.NewRoot(h.Root, h.RootKey, func() time.Time { return h.Root.NotAfter.Add(-time.Hour) })
	require.NoError(t, err)
	last, _, err := late.NextIntermediate(first, nil)
	require.NoError(t, err)
	require.Equal(t, h.Root.NotAfter, last.NotAfter)

	other, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain})
	require.NoError(t, err)
	_, _, err = late.NextIntermediate(other.Intermediate, nil)
	require.Error(t, err)
}

// A set of issuers is of one root and one key each, and finds the chain of every
// certificate that one of them issued.
func TestIssuers(t *testing.T) {
	h := hierarchy()
	first, second := newAuthority(t, h, nil), next(t, h)
	s, err := ca.NewIssuers(first, second)
	require.NoError(t, err)
	require.Equal(t, first, s.Current())
	require.Equal(t, []*ca.Authority{first, second}, s.All())
	leaf := &x509.Certificate{AuthorityKeyId: second.Certificate().SubjectKeyId}
	require.Equal(t, []*x509.Certificate{second.Certificate()}, s.Chain(leaf))
	require.Nil(t, s.Chain(&x509.Certificate{AuthorityKeyId: []byte{1}}))

	third := next(t, h)
	require.NoError(t, s.Set(second, nil, []*x509.Certificate{first.Certificate(), third.Certificate()}))
	require.Equal(t, second, s.Current())
	require.Len(t, s.Certificates(), 3)
	require.NotNil(t, s.Chain(&x509.Certificate{AuthorityKeyId: first.Certificate().SubjectKeyId}))

	foreign, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain})
	require.NoError(t, err)
	require.Error(t, s.Set(newAuthority(t, foreign, nil), nil, nil))
	require.Error(t, s.Set(second, []*ca.Authority{second}, nil))
	require.Equal(t, second, s.Current())
}
