package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// BenchmarkACME orders certificates with accounts that are bound by a token, over
// kept-alive connections: newOrder, finalize and the certificate.
func BenchmarkACME(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *bench) {
		for _, clients := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
				order := d.ordering(b, clients, *certificates)
				m := d.meter(b)
				m.time(clients, *certificates, order)
				m.report()
			})
		}
	})
}

// BenchmarkACMESyncs is BenchmarkSyncs for ACME.
func BenchmarkACMESyncs(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("sqlite/clients=%d", clients), func(b *testing.B) {
			trace := filepath.Join(b.TempDir(), "trace")
			d := newBench(b, newCA(b), "strace", "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o", trace, "--")
			const flows = 2000
			order := d.ordering(b, clients, flows)
			before := syncs(b, trace)
			d.drive(b, clients, flows, order)
			b.ReportMetric(float64(syncs(b, trace)-before)/flows, "syncs/cert")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// ordering returns the job of getting a certificate, each client with an account
// of its own, over a connection that is open already.
func (d *bench) ordering(b *testing.B, clients, n int) func(client, job int) error {
	orderers := make([]*orderer, clients)
	for i := range orderers {
		orderers[i] = d.orderer(b)
	}
	keys := make([]*ecdsa.PrivateKey, n)
	for i := range keys {
		keys[i] = newRequest(b).key
	}
	return func(client, job int) error { return orderers[client].order(keys[job]) }
}

// An orderer is an ACME client with an account that is bound to a service.
type orderer struct {
	*conn
	key   *ecdsa.PrivateKey
	kid   string // URL of the account; "" before there is one
	name  string // that the account is covered for
	nonce string
}

// orderer binds an account with a token.
func (d *bench) orderer(b *testing.B) *orderer { return newOrderer(b, d.daemon, d.roots) }

// newOrderer binds an account with a token.
func newOrderer(b testing.TB, d *daemon, roots *x509.CertPool) *orderer {
	c, err := dial(d.HTTPS, roots)
	require.NoError(b, err)
	b.Cleanup(func() { c.Close() })
	name := "b-" + randomName()
	token, err := d.admin(b).CreateToken(b.Context(), adminapi.TokenRequest{Role: "service", Name: name, EAB: true})
	require.NoError(b, err)
	o := &orderer{conn: c, key: newRequest(b).key, name: name + ".service." + trustDomain}
	resp, _, err := o.send("/acme/new-account", joseHeader, []byte("{}")) // refused, with a nonce
	require.NoError(b, err)
	o.nonce = resp.Header.Get("Replay-Nonce")
	secret, err := base64.RawURLEncoding.DecodeString(token.HMACKey)
	require.NoError(b, err)
	binding := flattened(map[string]any{"alg": "HS256", "kid": token.KID, "url": issuer + "/acme/new-account"}, o.jwk(), func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	})
	resp, answer, err := o.call("/acme/new-account", map[string]any{"externalAccountBinding": json.RawMessage(binding)})
	require.NoError(b, err)
	require.Equal(b, http.StatusCreated, resp.StatusCode, "%s", answer)
	o.kid = resp.Header.Get("Location")
	return o
}

// again goes on over a connection to a daemon that has started anew.
func (o *orderer) again(d *daemon, roots *x509.CertPool) error {
	o.Close()
	c, err := dial(d.HTTPS, roots)
	if err != nil {
		return err
	}
	o.conn = c
	resp, _, err := o.send("/acme/new-account", joseHeader, []byte("{}")) // refused, with a nonce
	if err == nil {
		o.nonce = resp.Header.Get("Replay-Nonce")
	}
	return err
}

// issuer is what the URLs begin with that conn has the daemon make.
const issuer = "https://localhost"

const joseHeader = "Content-Type: application/jose+json\r\n"

// order gets a certificate for key.
func (o *orderer) order(key *ecdsa.PrivateKey) error {
	_, _, err := o.obtain(key)
	return err
}

// obtain is order that returns the order's path and the chain.
func (o *orderer) obtain(key *ecdsa.PrivateKey) (path string, chain []byte, err error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{o.name}}, key)
	if err != nil {
		return "", nil, err
	}
	var order struct{ Status, Finalize, Certificate string }
	ids := []map[string]string{{"type": "dns", "value": o.name}}
	if err := o.object(http.StatusCreated, "/acme/new-order", map[string]any{"identifiers": ids}, &order); err != nil {
		return "", nil, err
	}
	csr64 := base64.RawURLEncoding.EncodeToString(csr)
	path = strings.TrimPrefix(strings.TrimSuffix(order.Finalize, "/finalize"), issuer)
	if err := o.object(http.StatusOK, path+"/finalize", map[string]any{"csr": csr64}, &order); err != nil {
		return "", nil, err
	}
	resp, chain, err := o.call(strings.TrimPrefix(order.Certificate, issuer), nil)
	if err != nil {
		return "", nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("status %d: %s", resp.StatusCode, chain)
	}
	_, err = request{key: key}.certificate(chain)
	return path, chain, err
}

// object calls, and reads the object that is answered.
func (o *orderer) object(status int, path string, payload, object any) error {
	resp, answer, err := o.call(path, payload)
	if err != nil {
		return err
	}
	if resp.StatusCode != status {
		return fmt.Errorf("%s: status %d: %s", path, resp.StatusCode, answer)
	}
	return json.Unmarshal(answer, object)
}

// call signs a payload (nil: POST-as-GET) with the last answer's nonce, sends it,
// and keeps the nonce of the answer. A crash of the database costs the nonces of
// before, so it tries twice (RFC 8555, Section 6.5).
func (o *orderer) call(path string, payload any) (*http.Response, []byte, error) {
	resp, answer, err := o.once(path, payload)
	if err == nil && resp.StatusCode == http.StatusBadRequest && bytes.Contains(answer, []byte(":badNonce")) {
		return o.once(path, payload)
	}
	return resp, answer, err
}

func (o *orderer) once(path string, payload any) (*http.Response, []byte, error) {
	header := map[string]any{"alg": "ES256", "nonce": o.nonce, "url": issuer + path}
	if o.kid != "" {
		header["kid"] = o.kid
	} else {
		header["jwk"] = json.RawMessage(o.jwk())
	}
	var text []byte
	if payload != nil {
		var err error
		if text, err = json.Marshal(payload); err != nil {
			return nil, nil, err
		}
	}
	body := flattened(header, text, func(input []byte) []byte {
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, o.key, digest[:])
		if err != nil {
			panic(err) // P-256 always signs
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	})
	resp, answer, err := o.send(path, joseHeader, body)
	if err == nil {
		o.nonce = resp.Header.Get("Replay-Nonce")
	}
	return resp, answer, err
}

// jwk writes the public key (RFC 7517).
func (o *orderer) jwk() []byte {
	point, err := o.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // it is on the curve
	}
	return fmt.Appendf(nil, `{"kty":"EC","crv":"P-256","x":%q,"y":%q}`,
		base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:]))
}

// flattened writes a JWS in the flattened form (RFC 7515, Section 7.2.2).
func flattened(header map[string]any, payload []byte, sign func(input []byte) []byte) []byte {
	text, err := json.Marshal(header)
	if err != nil {
		panic(err) // strings always marshal
	}
	protected, body := base64.RawURLEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(payload)
	signature := base64.RawURLEncoding.EncodeToString(sign([]byte(protected + "." + body)))
	return fmt.Appendf(nil, `{"protected":%q,"payload":%q,"signature":%q}`, protected, body, signature)
}
