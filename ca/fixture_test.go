package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/ca"
)

const trustDomain = "hospital.example"

// The keys that tests ask certificates for, made once: RSA takes its time.
var (
	p256Key    = sync.OnceValue(func() crypto.Signer { return ecdsaKey(elliptic.P256()) })
	p384Key    = sync.OnceValue(func() crypto.Signer { return ecdsaKey(elliptic.P384()) })
	p521Key    = sync.OnceValue(func() crypto.Signer { return ecdsaKey(elliptic.P521()) })
	p224Key    = sync.OnceValue(func() crypto.Signer { return ecdsaKey(elliptic.P224()) })
	rsa2048Key = sync.OnceValue(func() crypto.Signer { return rsaKey(2048) })
	rsa3072Key = sync.OnceValue(func() crypto.Signer { return rsaKey(3072) })
	ed25519Key = sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func ecdsaKey(curve elliptic.Curve) crypto.Signer { return must(ecdsa.GenerateKey(curve, rand.Reader)) }
func rsaKey(bits int) crypto.Signer               { return must(rsa.GenerateKey(rand.Reader, bits)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// hierarchy is one ceremony for all tests that do not ask for another.
var hierarchy = sync.OnceValue(func() *ca.Hierarchy {
	return must(ca.Create(ca.CreateConfig{TrustDomain: trustDomain, URL: "http://ca.hospital.example:8080"}))
})

func newAuthority(t testing.TB, h *ca.Hierarchy, now func() time.Time) *ca.Authority {
	t.Helper()
	a, err := ca.New(ca.Config{
		Certificate: h.Intermediate, Root: h.Root, Signer: h.IntermediateKey,
		URL: "http://ca.hospital.example:8080/", Now: now,
	})
	require.NoError(t, err)
	return a
}

func newPolicy(t testing.TB, text string) *ca.Policy {
	t.Helper()
	p, err := ca.ParsePolicy("policy.toml", []byte(text))
	require.NoError(t, err)
	return p
}

func newID(t testing.TB, path string) ca.ID {
	t.Helper()
	id, err := ca.ParsePath(trustDomain, path)
	require.NoError(t, err)
	return id
}

// newRequest asks with the key for the names, as a stranger would.
func newRequest(t testing.TB, key crypto.Signer, template x509.CertificateRequest) ca.Request {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	require.NoError(t, err)
	req, err := ca.ParseRequest(csr)
	require.NoError(t, err)
	return req
}

// newGrant has the policy decide for a token's bearer.
func newGrant(t testing.TB, p *ca.Policy, path string, req ca.Request, now time.Time) ca.Grant {
	t.Helper()
	id := ca.Identity{ID: newID(t, path), Revision: 7, Method: ca.MethodToken, Source: netip.MustParseAddr("10.1.2.3")}
	g, err := p.Decide(id, req, now)
	require.NoError(t, err)
	return g
}

func accept(*x509.Certificate) error { return nil }

// A rawRequest is a PKCS #10 request whose parts can be what crypto/x509 would
// not write.
type rawRequest struct {
	subject    []byte   // Name; nil: empty
	spki       []byte   // SubjectPublicKeyInfo; nil: the key's
	extensions [][]byte // Extension each; nil: no extensionRequest
	attributes [][]byte // Attribute each, after the extensionRequest
}

// sign encodes the request, signed with a P-256 key.
func (r rawRequest) sign(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	spki := r.spki
	if spki == nil {
		spki = must(x509.MarshalPKIXPublicKey(key.Public()))
	}
	subject := r.subject
	if subject == nil {
		subject = []byte{0x30, 0}
	}
	attributes := r.attributes
	if r.extensions != nil {
		attributes = append([][]byte{attribute(oidExtensionRequest, sequence(r.extensions...))}, attributes...)
	}
	info := sequence([]byte{2, 1, 0}, subject, spki, tagged(0xa0, attributes...))
	digest := sha256.Sum256(info)
	signature := must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
	ecdsaWithSHA256 := sequence([]byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2})
	return sequence(info, ecdsaWithSHA256, tagged(3, []byte{0}, signature))
}

var (
	oidExtensionRequest = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14}
	oidSAN              = []byte{6, 3, 0x55, 0x1d, 0x11}
	oidCN               = []byte{6, 3, 0x55, 4, 3}
)

func sequence(parts ...[]byte) []byte               { return tagged(0x30, parts...) }
func attribute(oid []byte, values ...[]byte) []byte { return sequence(oid, tagged(0x31, values...)) }

// san returns a subjectAltName extension with the names.
func san(names ...[]byte) []byte { return sequence(oidSAN, tagged(4, sequence(names...))) }

func dnsName(s string) []byte { return tagged(0x82, []byte(s)) }

// otherName returns a PermanentIdentifier (RFC 4043) with that content.
func otherName(parts ...[]byte) []byte {
	return tagged(0xa0, []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 8, 3}, tagged(0xa0, parts...))
}

func permanentID(s string) []byte { return otherName(sequence(tagged(0x0c, []byte(s)))) }

func uriName(s string) []byte { return tagged(0x86, []byte(s)) }

// tagged returns the DER of a value of the concatenated parts.
func tagged(tag der.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, part := range parts {
			b.AddBytes(part)
		}
	})
	return b.BytesOrPanic()
}
