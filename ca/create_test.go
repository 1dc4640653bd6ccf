package ca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// The ceremony makes an intermediate that can sign leaves
// only, and for its trust domain only.
func TestCreate(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, URL: "http://ca.example/", Now: func() time.Time { return now }})
	require.NoError(t, err)
	root, intermediate := h.Root, h.Intermediate

	require.Equal(t, elliptic.P384(), root.PublicKey.(*ecdsa.PublicKey).Curve)
	require.Equal(t, elliptic.P256(), intermediate.PublicKey.(*ecdsa.PublicKey).Curve)
	require.Equal(t, root.PublicKey, h.RootKey.Public())
	require.Equal(t, intermediate.PublicKey, h.IntermediateKey.Public())
	require.Equal(t, now.AddDate(10, 0, 0), root.NotAfter)
	require.Equal(t, now.AddDate(5, 0, 0), intermediate.NotAfter)
	for _, cert := range []*x509.Certificate{root, intermediate} {
		require.True(t, cert.IsCA)
		require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, cert.KeyUsage)
		require.Equal(t, now.Add(-time.Hour), cert.NotBefore)
		require.Equal(t, []string{trustDomain}, cert.Subject.Organization)
		require.Len(t, cert.SubjectKeyId, 20)
	}
	require.Equal(t, -1, root.MaxPathLen)
	require.True(t, intermediate.MaxPathLenZero && intermediate.MaxPathLen == 0)
	require.Equal(t, []string{trustDomain}, intermediate.PermittedURIDomains)
	require.Empty(t, intermediate.PermittedDNSDomains)
	require.Empty(t, intermediate.PermittedIPRanges)
	require.False(t, intermediate.PermittedDNSDomainsCritical)
	require.Equal(t, root.SubjectKeyId, intermediate.AuthorityKeyId)
	require.NotEqual(t, root.Subject.CommonName, intermediate.Subject.CommonName)

	a, err := ca.New(ca.Config{Certificate: root, Root: root, Signer: h.RootKey, URL: "http://ca.example"})
	require.Error(t, err, "the root names no trust domain") // and so cannot be used in place of the intermediate
	require.Nil(t, a)
}

// The URLs of the intermediate lead to what its issuer, the root, says of it.
func TestCreateURLs(t *testing.T) {
	h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, URL: "http://ca.example/"})
	require.NoError(t, err)
	a := newAuthority(t, h, nil)
	require.NotContains(t, h.Intermediate.CRLDistributionPoints[0], a.IssuerID())
	require.True(t, strings.HasPrefix(h.Intermediate.CRLDistributionPoints[0], "http://ca.example/crl/"))
	require.True(t, strings.HasSuffix(h.Intermediate.CRLDistributionPoints[0], "/full.crl"))
	require.Equal(t, []string{"http://ca.example/ocsp"}, h.Intermediate.OCSPServer)
	require.Empty(t, h.Root.CRLDistributionPoints)

	h, err = ca.Create(ca.CreateConfig{TrustDomain: trustDomain})
	require.NoError(t, err)
	require.Empty(t, h.Intermediate.CRLDistributionPoints)
}

// Name constraints are marked critical when asked, and only then.
func TestCreateCriticalConstraints(t *testing.T) {
	for _, critical := range []bool{false, true} {
		h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, CriticalConstraints: critical})
		require.NoError(t, err)
		require.Equal(t, critical, nameConstraints(t, h.Intermediate).Critical)
	}
}

func nameConstraints(t *testing.T, cert *x509.Certificate) pkix.Extension {
	t.Helper()
	for _, extension := range cert.Extensions {
		if extension.Id.String() == "2.5.29.30" {
			return extension
		}
	}
	t.Fatal("no name constraints")
	return pkix.Extension{}
}

// A trust domain is a DNS name that fits into an O.
func TestCreateRefuses(t *testing.T) {
	for _, trustDomain := range []string{"", "Hospital.example", "hospital.example.", "a b", "10.0.0.1", "*.example",
		"https://hospital.example", strings.Repeat("a.", 32) + "a"} {
		_, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain})
		require.Error(t, err, trustDomain)
	}
	_, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, URL: "ca.example"})
	require.Error(t, err)
}

// Go's verifier accepts a leaf of the trust domain and refuses one of another
// that the intermediate's key was made to sign all the same.
func TestConstraintsBind(t *testing.T) {
	h := hierarchy()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(h.Root)
	intermediates.AddCert(h.Intermediate)
	verify := func(leaf *x509.Certificate) error {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		return err
	}
	a := newAuthority(t, h, nil)
	req := newRequest(t, p256Key(), x509.CertificateRequest{DNSNames: []string{"a.hospital.example"}})
	leaf, err := a.Issue(newGrant(t, newPolicy(t, openPolicy), "device/SN-1", req, time.Now()), accept)
	require.NoError(t, err)
	require.NoError(t, verify(leaf))

	forged := *leaf
	forged.URIs = []*url.URL{must(url.Parse("spiffe://other.example/device/SN-1"))}
	encoded := must(x509.CreateCertificate(rand.Reader, &forged, h.Intermediate, leaf.PublicKey, h.IntermediateKey))
	require.Error(t, verify(must(x509.ParseCertificate(encoded))))
}
