package acme_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// A CSR asks for exactly what the order says, with a key that is strong and
// nobody else's.
func TestBadFinalize(t *testing.T) { eachWorld(t, nil, testBadFinalize) }

func testBadFinalize(t *testing.T, w *world) {
	u, other := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	const name = "pump-1.devices.example"
	order := u.order(name).ok()
	taken := enrolltest.NewKey(t)
	other.finalize(other.order("pump-2.devices.example").ok(), csr(t, taken, "pump-2.devices.example")).ok()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	t.Setenv("GODEBUG", "rsa1024min=0")
	var weak *rsa.PrivateKey
	fips140.WithoutEnforcement(func() { weak, err = rsa.GenerateKey(rand.Reader, 1024) }) // clients are in no mode of ours
	require.NoError(t, err)
	fresh := enrolltest.NewKey(t)
	request := func(key any, template x509.CertificateRequest) []byte {
		var der []byte
		var err error
		fips140.WithoutEnforcement(func() { der, err = x509.CreateCertificateRequest(rand.Reader, &template, key) })
		require.NoError(t, err)
		return der
	}
	forged := csr(t, fresh, name)
	forged[len(forged)-1] ^= 1
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("x%d.devices.example", i))
	}
	for _, tt := range []struct {
		name string
		csr  []byte
		kind string
	}{
		{"nothing", nil, "badCSR"},
		{"garbage", []byte("hello"), "badCSR"},
		{"forged", forged, "badCSR"},
		{"another name", csr(t, fresh, "pump-2.devices.example"), "badCSR"},
		{"one name more", csr(t, fresh, name, "x.shared.example"), "badCSR"},
		{"an address more", csr(t, fresh, name, "127.0.0.1"), "badCSR"},
		{"101 names", csr(t, fresh, many...), "badCSR"},
		{"no name", csr(t, fresh), "badCSR"},
		{"common name of another", request(fresh, x509.CertificateRequest{Subject: pkix.Name{CommonName: "pump-2.devices.example"}, DNSNames: []string{name}}), "badCSR"},
		{"another identity", enrolltest.CSR(t, fresh, "device/pump-2"), "badCSR"},
		{"P-224", request(p224, x509.CertificateRequest{DNSNames: []string{name}}), "badCSR"},
		{"RSA-1024", request(weak, x509.CertificateRequest{DNSNames: []string{name}}), "badCSR"},
		{"key of another identity", csr(t, taken, name), "badCSR"},
		{"key of the account", csr(t, u.key, name), "badCSR"},
		{"key of another account", csr(t, other.key, name), "badCSR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := u.finalize(order, tt.csr)
			a.refused(http.StatusBadRequest, tt.kind)
		})
	}
	u.post(order["finalize"].(string), map[string]any{"csr": "!"}).refused(http.StatusBadRequest, "badCSR")
	u.post(order["finalize"].(string), nil).refused(http.StatusBadRequest, "malformed")
	u.post(order["finalize"].(string), []byte(`{"csr":1}`)).refused(http.StatusBadRequest, "malformed")
	require.Zero(t, w.Certificates("device/pump-1"))

	// None of it has hurt the order; and base64 may be padded, as some clients do.
	padded := ""
	for !strings.HasSuffix(padded, "=") {
		padded = base64.URLEncoding.EncodeToString(csr(t, enrolltest.NewKey(t), name))
	}
	require.Equal(t, "valid", u.post(order["finalize"].(string), map[string]any{"csr": padded}).ok()["status"])
}

// A key that the role has no place for is the request's fault, and another one
// does.
func TestKeyOfTheRole(t *testing.T) {
	w := newWorld(t, nil)
	narrow := strings.Replace(policy, "[role.device]", "[role.device]\nkeys = ['P-256']", 1)
	_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(narrow), w.Policies.Current().Version())
	require.NoError(t, err)
	u := w.bound("device", "pump-1")
	const name = "pump-1.devices.example"
	order := u.order(name).ok()
	_, other, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, other)
	require.NoError(t, err)
	refused := u.finalize(order, der).refused(http.StatusBadRequest, "badCSR")
	require.Contains(t, refused["detail"], "key type Ed25519")
	u.finalize(order, csr(t, enrolltest.NewKey(t), name)).ok()
}
