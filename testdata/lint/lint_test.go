package lint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

const trustDomain = "hospital.example"

const policy = `
[role.client]
usages = ["client"]
names = ["*", "*.*"]
[role.server]
dns = ["*.hospital.example", "localhost", "xn--bcher-kva.example"]
ip = ["10.0.0.0/8", "fd00::/8"]
usages = ["server"]
names = ["*", "*.*"]
lifetime = "1s"
[role.both]
dns = ["*.hospital.example"]
ip = ["192.0.2.0/24"]
usages = ["client", "server"]
names = ["*", "*.*"]
lifetime = "730d"
`

// zlint finds nothing in a root, an intermediate, an OCSP responder, or a leaf of
// any kind of key and any shape of role that applies to a private authority; and
// every rule that we ignore would be broken by one of them.
func TestCertificates(t *testing.T) {
	unused := maps.Clone(ignored)
	check := func(t *testing.T, cert *x509.Certificate) {
		t.Helper()
		all, err := certificate(cert.Raw)
		require.NoError(t, err)
		for _, f := range all {
			delete(unused, f.rule)
			if _, ok := ignored[f.rule]; !ok {
				t.Errorf("%s: %s", cert.Subject, f.text)
			}
		}
	}
	kinds := keys(t)
	for _, tt := range []struct {
		name   string
		config ca.CreateConfig
		kinds  []string // of leaf keys: one hierarchy is enough for all of them
	}{
		{"bare", ca.CreateConfig{TrustDomain: trustDomain}, nil},
		{"critical", ca.CreateConfig{TrustDomain: trustDomain, CriticalConstraints: true}, nil},
		{"long", ca.CreateConfig{TrustDomain: strings.Repeat("a", 55) + ".internal"}, []string{"P-256"}},
		{"usual", ca.CreateConfig{TrustDomain: trustDomain, URL: "http://ca.hospital.example:8080"}, slices.Collect(maps.Keys(kinds))},
	} {
		h, err := ca.Create(tt.config)
		require.NoError(t, err)
		t.Run(tt.name+" root", func(t *testing.T) { check(t, h.Root) })
		t.Run(tt.name+" intermediate", func(t *testing.T) { check(t, h.Intermediate) })
		t.Run(tt.name+" responder", func(t *testing.T) {
			responder, err := newAuthority(t, h).IssueResponder(kinds["P-256"].Public(), accept)
			require.NoError(t, err)
			check(t, responder)
		})
		for _, kind := range tt.kinds {
			for name, leaf := range leaves(t, newAuthority(t, h), tt.config.TrustDomain, kinds[kind]) {
				t.Run(tt.name+" "+kind+" "+name, func(t *testing.T) { check(t, leaf) })
			}
		}
	}
	h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, URL: "http://ca.hospital.example:8080"})
	require.NoError(t, err)
	lists, err := ca.New(ca.Config{Certificate: h.Intermediate, Root: h.Root, Signer: h.IntermediateKey, URL: "http://ca.hospital.example:8080", Freshest: true})
	require.NoError(t, err)
	for _, shards := range []int{1, 8} {
		lists.SetShards(shards)
		for name, leaf := range leaves(t, lists, trustDomain, kinds["P-256"]) {
			t.Run(fmt.Sprintf("on %d lists %s", shards, name), func(t *testing.T) { check(t, leaf) })
		}
	}
	require.Empty(t, slices.Sorted(maps.Keys(unused)), "ignored for nothing")
}

// A linter that lets everything pass proves nothing: a certificate that says
// nothing of itself is at fault.
func TestFindings(t *testing.T) {
	h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain})
	require.NoError(t, err)
	bad := &x509.Certificate{SerialNumber: h.Root.SerialNumber, NotBefore: time.Now(), NotAfter: time.Now()}
	der, err := x509.CreateCertificate(rand.Reader, bad, bad, h.RootKey.Public(), h.RootKey)
	require.NoError(t, err)
	all, err := certificate(der)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(all, func(f finding) bool {
		_, ok := ignored[f.rule]
		return !ok
	}))
}

func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{"P-256": p256, "P-384": p384, "Ed25519": ed, "RSA-2048": rsa2048}
}

func newAuthority(t *testing.T, h *ca.Hierarchy) *ca.Authority {
	t.Helper()
	a, err := ca.New(ca.Config{
		Certificate: h.Intermediate, Root: h.Root, Signer: h.IntermediateKey, URL: "http://ca.hospital.example:8080",
	})
	require.NoError(t, err)
	return a
}

func accept(*x509.Certificate) error { return nil }

// leaves returns a certificate for the key in every shape of role.
func leaves(t *testing.T, authority *ca.Authority, trustDomain string, key crypto.Signer) map[string]*x509.Certificate {
	t.Helper()
	p, err := ca.ParsePolicy("policy.toml", []byte(policy))
	require.NoError(t, err)
	all := make(map[string]*x509.Certificate)
	for name, request := range map[string]struct {
		path string
		csr  x509.CertificateRequest
	}{
		"client":         {"client/SN-1", x509.CertificateRequest{}},
		"long name":      {"client/" + strings.Repeat("a", 64), x509.CertificateRequest{}},
		"name with _":    {"client/a_b.c", x509.CertificateRequest{}},
		"server":         {"server/a", x509.CertificateRequest{DNSNames: []string{"a.hospital.example", "localhost"}}},
		"IDN":            {"server/b", x509.CertificateRequest{DNSNames: []string{"xn--bcher-kva.example"}}},
		"addresses only": {"server/c", x509.CertificateRequest{IPAddresses: []net.IP{net.IP{10, 0, 0, 1}, net.ParseIP("fd00::1")}}},
		"nameless":       {"server/d", x509.CertificateRequest{}},
		"both":           {"both/e", x509.CertificateRequest{DNSNames: []string{"e.hospital.example"}, IPAddresses: []net.IP{{192, 0, 2, 1}}}},
		"admin":          {"admin/mary.smith", x509.CertificateRequest{}},
	} {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &request.csr, key)
		require.NoError(t, err)
		req, err := ca.ParseRequest(csr)
		require.NoError(t, err)
		id, err := ca.ParsePath(trustDomain, request.path)
		require.NoError(t, err)
		grant, err := p.Decide(ca.Identity{ID: id, Method: ca.MethodToken}, req, time.Now())
		require.NoError(t, err)
		all[name], err = authority.Issue(grant, accept)
		require.NoError(t, err)
	}
	return all
}
