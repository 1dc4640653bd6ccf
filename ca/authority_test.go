package ca_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

const openPolicy = `
[role.device]
names = ["*"]
dns = ["*.hospital.example"]
ip = ["10.0.0.0/8", "fd00::/8"]
usages = ["client", "server"]
lifetime = "24h"
`

// An authority works only with a certificate that relying parties will accept,
// and with that certificate's key.
func TestNewRefuses(t *testing.T) {
	good, other := hierarchy(), must(ca.Create(ca.CreateConfig{TrustDomain: trustDomain}))
	config := func(change func(*ca.Config)) ca.Config {
		c := ca.Config{Certificate: good.Intermediate, Root: good.Root, Signer: good.IntermediateKey, URL: "http://ca.example"}
		change(&c)
		return c
	}
	at := func(when time.Time) func() time.Time { return func() time.Time { return when } }
	for _, tt := range []struct {
		name   string
		change func(*ca.Config)
	}{
		{"no certificate", func(c *ca.Config) { c.Certificate = nil }},
		{"no root", func(c *ca.Config) { c.Root = nil }},
		{"no signer", func(c *ca.Config) { c.Signer = nil }},
		{"another key", func(c *ca.Config) { c.Signer = other.IntermediateKey }},
		{"another root", func(c *ca.Config) { c.Root = other.Root }},
		{"the root itself", func(c *ca.Config) { c.Certificate, c.Signer = good.Root, good.RootKey }},
		{"a broken token", func(c *ca.Config) { c.Signer = brokenSigner{good.IntermediateKey} }},
		{"expired", func(c *ca.Config) { c.Now = at(good.Intermediate.NotAfter.Add(time.Second)) }},
		{"not yet valid", func(c *ca.Config) { c.Now = at(good.Intermediate.NotBefore.Add(-time.Second)) }},
		{"no URL", func(c *ca.Config) { c.URL = "" }},
		{"relative URL", func(c *ca.Config) { c.URL = "/crl" }},
		{"other scheme", func(c *ca.Config) { c.URL = "ldap://ca.example" }},
		{"URL with a password", func(c *ca.Config) { c.URL = "http://a:b@ca.example" }},
		{"URL with a query", func(c *ca.Config) { c.URL = "http://ca.example/?" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ca.New(config(tt.change))
			require.Error(t, err)
		})
	}
	_, err := ca.New(config(func(c *ca.Config) { c.Now = at(good.Intermediate.NotAfter.Add(time.Second)) }))
	require.ErrorIs(t, err, ca.ErrExpired)
	_, err = ca.New(config(func(c *ca.Config) { c.Signer = other.IntermediateKey }))
	require.ErrorContains(t, err, "the key is not that of the issuing certificate")
	_, err = ca.New(config(func(*ca.Config) {}))
	require.NoError(t, err)
}

// brokenSigner is a token that signs nonsense.
type brokenSigner struct{ crypto.Signer }

func (b brokenSigner) Sign(r io.Reader, _ []byte, o crypto.SignerOpts) ([]byte, error) {
	return b.Signer.Sign(r, make([]byte, 32), o)
}

// Without a grant that policy made a moment ago for this trust domain, nothing is
// signed.
func TestIssueNeedsGrant(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, hierarchy(), func() time.Time { return now })
	policy := newPolicy(t, openPolicy)
	req := newRequest(t, p256Key(), x509.CertificateRequest{})
	foreign := ca.Identity{ID: must(ca.NewID("other.example", "device", "SN-1")), Method: ca.MethodToken}
	for _, tt := range []struct {
		name  string
		grant ca.Grant
		says  string
	}{
		{"zero", ca.Grant{}, "without a grant"},
		{"old", newGrant(t, policy, "device/SN-1", req, now.Add(-61*time.Second)), "was decided at"},
		{"of the future", newGrant(t, policy, "device/SN-1", req, now.Add(61*time.Second)), "was decided at"},
		{"another trust domain", must(policy.Decide(foreign, req, now)), "not in trust domain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := a.Issue(tt.grant, func(*x509.Certificate) error {
				t.Fatal("a certificate was signed")
				return nil
			})
			require.ErrorContains(t, err, tt.says)
		})
	}
}

// A certificate comes out only after commit recorded it; commit sees the same
// certificate, and its error comes back as it is.
func TestIssueCommits(t *testing.T) {
	a := newAuthority(t, hierarchy(), nil)
	grant := newGrant(t, newPolicy(t, openPolicy), "device/SN-1", newRequest(t, p256Key(), x509.CertificateRequest{}), time.Now())

	spent := errors.New("spent")
	cert, err := a.Issue(grant, func(*x509.Certificate) error { return spent })
	require.Equal(t, spent, err)
	require.Nil(t, cert)

	var recorded *x509.Certificate
	cert, err = a.Issue(grant, func(c *x509.Certificate) error { recorded = c; return nil })
	require.NoError(t, err)
	require.Same(t, recorded, cert)
}

// A leaf is backdated five minutes and lives as long as its role says, but is
// never valid when its issuer is not; an expired issuer signs nothing.
func TestIssueValidity(t *testing.T) {
	h := hierarchy()
	first, last := h.Intermediate.NotBefore, h.Intermediate.NotAfter
	policy := newPolicy(t, openPolicy)
	req := newRequest(t, p256Key(), x509.CertificateRequest{})
	for _, tt := range []struct {
		name                string
		now                 time.Time
		notBefore, notAfter time.Time // zero: refused
	}{
		{"in the middle", first.Add(10 * time.Hour), first.Add(10*time.Hour - 5*time.Minute), first.Add(34 * time.Hour)},
		{"just created", first.Add(time.Minute), first, first.Add(24*time.Hour + time.Minute)},
		{"near the end", last.Add(-time.Hour), last.Add(-time.Hour - 5*time.Minute), last},
		{"at the end", last, last.Add(-5 * time.Minute), last},
		{"too late", last.Add(time.Second), time.Time{}, time.Time{}},
		{"too early", first.Add(-time.Second), time.Time{}, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := first.Add(time.Hour) // when the authority starts
			a := newAuthority(t, h, func() time.Time { return now })
			now = tt.now
			cert, err := a.Issue(newGrant(t, policy, "device/SN-1", req, now), accept)
			if tt.notBefore.IsZero() {
				require.ErrorIs(t, err, ca.ErrExpired)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.notBefore.UTC(), cert.NotBefore)
			require.Equal(t, tt.notAfter.UTC(), cert.NotAfter)
		})
	}
}

// The authority may be asked by any number at once, and no two certificates have
// one serial number; each is 48 bits of its time, then chance.
func TestIssueSerials(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, hierarchy(), func() time.Time { return now })
	grant := newGrant(t, newPolicy(t, openPolicy), "device/SN-1", newRequest(t, p256Key(), x509.CertificateRequest{}), now)
	const workers, each = 4, 50
	serials := make(chan string, workers*each)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				cert, err := a.Issue(grant, accept)
				if err != nil {
					t.Error(err)
					return
				}
				serials <- string(cert.SerialNumber.FillBytes(make([]byte, 16)))
			}
		})
	}
	wg.Wait()
	close(serials)
	seen := make(map[string]bool)
	for serial := range serials {
		ms := int64(0)
		for _, b := range []byte(serial[:6]) {
			ms = ms<<8 | int64(b)
		}
		require.Equal(t, now.UnixMilli(), ms)
		require.False(t, seen[serial])
		seen[serial] = true
	}
	require.Len(t, seen, workers*each)
}

// A signature made elsewhere is checked before it leaves.
func TestIssueChecksForeignSigner(t *testing.T) {
	h := hierarchy()
	flaky := &flakySigner{Signer: h.IntermediateKey}
	a, err := ca.New(ca.Config{Certificate: h.Intermediate, Root: h.Root, Signer: flaky, URL: "http://ca.example"})
	require.NoError(t, err)
	grant := newGrant(t, newPolicy(t, openPolicy), "device/SN-1", newRequest(t, p256Key(), x509.CertificateRequest{}), time.Now())
	_, err = a.Issue(grant, accept)
	require.NoError(t, err)
	flaky.broken = true
	_, err = a.Issue(grant, accept)
	require.Error(t, err)
}

// flakySigner is a token that once broken signs nonsense.
type flakySigner struct {
	crypto.Signer
	broken bool
}

func (f *flakySigner) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if f.broken {
		digest = make([]byte, len(digest))
	}
	return f.Signer.Sign(r, digest, o)
}

// One issuing, from grant to parsed certificate, is to take at most 60 µs; what
// comes before it is timed beside it.
func BenchmarkIssue(b *testing.B) {
	a := newAuthority(b, hierarchy(), nil)
	policy := newPolicy(b, openPolicy)
	template := x509.CertificateRequest{DNSNames: []string{"sn-1.hospital.example"}}
	csr := must(x509.CreateCertificateRequest(rand.Reader, &template, p256Key()))
	id := ca.Identity{ID: newID(b, "device/SN-1"), Method: ca.MethodToken, Source: netip.MustParseAddr("10.1.2.3")}
	b.Run("ParseRequest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(ca.ParseRequest(csr))
		}
	})
	req := must(ca.ParseRequest(csr))
	b.Run("Decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(policy.Decide(id, req, time.Now()))
		}
	})
	b.Run("Issue", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(a.Issue(must(policy.Decide(id, req, time.Now())), accept))
		}
	})
}
