package acme_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// What is another account's is as if it did not exist, to the last URL; its
// account is refused.
func TestAnotherAccount(t *testing.T) {
	w := newWorld(t, open)
	u, thief := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	order := u.order("pump-1.devices.example").ok()
	pending := w.unbound()
	challenged := pending.order("one.web.example").ok()
	authz := pending.post(challenged["authorizations"].([]any)[0].(string), nil).ok()
	challenge := authz["challenges"].([]any)[0].(map[string]any)["url"].(string)
	request := csr(t, enrolltest.NewKey(t), "pump-1.devices.example")

	self := strings.TrimSuffix(order["finalize"].(string), "/finalize")
	thief.post(self, nil).refused(http.StatusNotFound, "malformed")
	thief.finalize(order, request).refused(http.StatusNotFound, "malformed")
	thief.post(order["authorizations"].([]any)[0].(string), nil).refused(http.StatusNotFound, "malformed")
	thief.post(order["authorizations"].([]any)[0].(string), map[string]any{"status": "deactivated"}).refused(http.StatusNotFound, "malformed")
	thief.post(challenge, nil).refused(http.StatusNotFound, "malformed")
	thief.post(challenge, map[string]any{}).refused(http.StatusNotFound, "malformed")
	thief.post(u.kid, nil).refused(http.StatusForbidden, "unauthorized")
	thief.post(u.kid, map[string]any{"status": "deactivated"}).refused(http.StatusForbidden, "unauthorized")
	thief.post(u.kid+"/orders", nil).refused(http.StatusForbidden, "unauthorized")

	done := u.finalize(order, request).ok()
	thief.post(done["certificate"].(string), nil).refused(http.StatusNotFound, "malformed")
	require.Equal(t, "valid", u.post(self, nil).ok()["status"])

	for _, path := range []string{"/acme/order/", "/acme/authz/", "/acme/certificate/"} {
		for _, id := range []string{strings.Repeat("0", 32), "x", strings.Repeat("f", 64)} {
			u.post(path+id, nil).refused(http.StatusNotFound, "malformed")
		}
	}
}

// A CSR asks for exactly what the order says, with a key that is strong and
// nobody else's.
func TestBadFinalize(t *testing.T) {
	w := newWorld(t, nil)
	u, other := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	const name = "pump-1.devices.example"
	order := u.order(name).ok()
	taken := enrolltest.NewKey(t)
	other.finalize(other.order("pump-2.devices.example").ok(), csr(t, taken, "pump-2.devices.example")).ok()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	fresh := enrolltest.NewKey(t)
	request := func(key any, template x509.CertificateRequest) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
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

// An order that cannot be is refused when it is made, and says which names are to
// blame.
func TestBadOrder(t *testing.T) {
	w := newWorld(t, open)
	bound, unbound := w.bound("device", "pump-1"), w.unbound()
	order := func(change map[string]any) map[string]any {
		o := map[string]any{"identifiers": dns("pump-1.devices.example")}
		for k, v := range change {
			o[k] = v
		}
		return o
	}
	ids := func(pairs ...string) map[string]any {
		var list []map[string]string
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, map[string]string{"type": pairs[i], "value": pairs[i+1]})
		}
		return map[string]any{"identifiers": list}
	}
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("x%d.shared.example", i))
	}
	for _, tt := range []struct {
		name    string
		u       *user
		payload any
		status  int
		kind    string
	}{
		{"POST-as-GET", bound, nil, 400, "malformed"},
		{"null", bound, []byte("null"), 400, "malformed"},
		{"a member twice", bound, []byte(`{"identifiers":[],"identifiers":[]}`), 400, "malformed"},
		{"no identifiers", bound, map[string]any{}, 400, "malformed"},
		{"101 names", bound, map[string]any{"identifiers": dns(many...)}, 400, "malformed"},
		{"notBefore", bound, order(map[string]any{"notBefore": "2026-01-01T00:00:00Z"}), 400, "malformed"},
		{"notAfter", bound, order(map[string]any{"notAfter": "2036-01-01T00:00:00Z"}), 400, "malformed"},
		{"unknown profile", bound, order(map[string]any{"profile": "nobody"}), 400, "invalidProfile"},
		{"profile of another role", bound, order(map[string]any{"profile": "web"}), 400, "invalidProfile"},
		{"profile of people", unbound, order(map[string]any{"profile": "admin"}), 400, "invalidProfile"},
		{"email", bound, ids("email", "x@hospital.example"), 400, "unsupportedIdentifier"},
		{"not a DNS name", bound, ids("dns", "ex ample"), 400, "rejectedIdentifier"},
		{"wildcard inside", bound, ids("dns", "a.*.example"), 400, "rejectedIdentifier"},
		{"two wildcards", bound, ids("dns", "*.*.example"), 400, "rejectedIdentifier"},
		{"address as dns", bound, ids("dns", "127.0.0.1"), 400, "rejectedIdentifier"},
		{"not an address", bound, ids("ip", "pump-1"), 400, "rejectedIdentifier"},
		{"address with a zone", bound, ids("ip", "fe80::1%eth0"), 400, "rejectedIdentifier"},
		{"mapped address", bound, ids("ip", "::ffff:127.0.0.1"), 400, "rejectedIdentifier"},
		{"two kinds of wrong", bound, ids("dns", "_", "email", "x"), 400, "compound"},
		{"another identity's name", bound, ids("dns", "pump-2.devices.example"), 403, "rejectedIdentifier"},
		{"a name of no role", bound, ids("dns", "pump-1.devices.example", "dns", "evil.example"), 403, "rejectedIdentifier"},
		{"an address of no role", bound, ids("ip", "192.0.2.1"), 403, "rejectedIdentifier"},
		{"another device", bound, ids("permanent-identifier", "pump-2"), 403, "rejectedIdentifier"},
		{"replaces garbage", bound, order(map[string]any{"replaces": "x.y"}), 400, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			object := tt.u.post("/acme/new-order", tt.payload).refused(tt.status, tt.kind)
			if strings.Contains(tt.kind, "Identifier") || tt.kind == "compound" {
				subs := object["subproblems"].([]any)
				require.NotEmpty(t, subs)
				for _, sub := range subs {
					require.Contains(t, sub, "identifier")
					require.Contains(t, sub, "detail")
				}
			}
		})
	}
}

// Whoever cannot show a good binding gets no account, and is not told why.
func TestBadExternalAccount(t *testing.T) {
	w := newWorld(t, nil)
	w.newUser().post("/acme/new-account", map[string]any{}).refused(http.StatusForbidden, "externalAccountRequired")
	kid, key := w.eab("device", "pump-1")
	url := w.url("/acme/new-account")
	for _, tt := range []struct {
		name   string
		bind   func(u *user) any
		status int
		kind   string
	}{
		{"wrong key", func(u *user) any { return u.eab(kid, []byte("x")) }, 403, "unauthorized"},
		{"unknown kid", func(u *user) any { return u.eab(strings.Repeat("0", 32), key) }, 403, "unauthorized"},
		{"kid is no id", func(u *user) any { return u.eab("x", key) }, 403, "unauthorized"},
		{"another account's key", func(u *user) any { return w.newUser().eab(kid, key) }, 400, "malformed"},
		{"no key", func(u *user) any {
			return u.bind(key, map[string]any{"alg": "HS256", "kid": kid, "url": url}, []byte("{}"))
		}, 400, "malformed"},
		{"none", func(u *user) any { return u.bind(nil, map[string]any{"alg": "none", "kid": kid, "url": url}, nil) }, 400, "badSignatureAlgorithm"},
		{"ES256", func(u *user) any { return u.bind(u.key, map[string]any{"alg": "ES256", "kid": kid, "url": url}, nil) }, 400, "badSignatureAlgorithm"},
		{"other url", func(u *user) any {
			return u.bind(key, map[string]any{"alg": "HS256", "kid": kid, "url": url + "x"}, nil)
		}, 400, "malformed"},
		{"no kid", func(u *user) any { return u.bind(key, map[string]any{"alg": "HS256", "url": url}, nil) }, 400, "malformed"},
		{"nonce", func(u *user) any {
			return u.bind(key, map[string]any{"alg": "HS256", "kid": kid, "url": url, "nonce": w.nonce()}, nil)
		}, 400, "malformed"},
		{"not an object", func(u *user) any { return "x" }, 400, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := w.newUser()
			u.post("/acme/new-account", map[string]any{"externalAccountBinding": tt.bind(u)}).refused(tt.status, tt.kind)
		})
	}
	u := w.newUser()
	u.register(map[string]any{"externalAccountBinding": u.eab(kid, key)})
	thief := w.newUser()
	thief.post("/acme/new-account", map[string]any{"externalAccountBinding": thief.eab(kid, key)}).refused(http.StatusForbidden, "unauthorized")

	late := w.newUser()
	kid, key = w.eab("device", "pump-2")
	w.Advance(25 * time.Hour)
	late.post("/acme/new-account", map[string]any{"externalAccountBinding": late.eab(kid, key)}).refused(http.StatusForbidden, "unauthorized")
}

// bind signs an external account binding as a test likes; payload nil: the user's
// key.
func (u *user) bind(key any, header map[string]any, payload any) any {
	if payload == nil {
		payload = jwk(&u.key.PublicKey)
	}
	return rawJSON(flat(u.w.t, key, header, payload))
}

// Contacts are mailto URLs of one address (Section 7.3).
func TestContacts(t *testing.T) {
	w := newWorld(t, open)
	for contact, kind := range map[string]string{
		"mailto:ops@hospital.example":                       "",
		"MAILTO:o'p+s@hospital.example":                     "",
		"tel:+12125551212":                                  "unsupportedContact",
		"https://hospital.example":                          "unsupportedContact",
		"ops@hospital.example":                              "invalidContact",
		"mailto:":                                           "invalidContact",
		"mailto:ops":                                        "invalidContact",
		"mailto:a@b.example,c@d.example":                    "invalidContact",
		"mailto:a@b.example?subject=x":                      "invalidContact",
		"mailto:a%40b.example":                              "invalidContact",
		"mailto:Ops <ops@hospital.example>":                 "invalidContact",
		"mailto:a@b.example\r\nBcc:x@d.example":             "invalidContact",
		"mailto:" + strings.Repeat("a", 250) + "@b.example": "invalidContact",
	} {
		a := w.newUser().post("/acme/new-account", map[string]any{"contact": []string{contact}})
		if kind == "" {
			a.ok()
			continue
		}
		a.refused(http.StatusBadRequest, kind)
	}
	a := w.newUser().post("/acme/new-account", map[string]any{"contact": make([]string, 11)})
	a.refused(http.StatusBadRequest, "invalidContact")
}
