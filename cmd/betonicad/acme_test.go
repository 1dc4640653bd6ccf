package main_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// directory is where ACME clients begin.
func (d *daemon) directory() string { return "https://" + d.HTTPS + "/acme/directory" }

// again kills the daemon, and starts it at the same addresses.
func (d *daemon) again(t testing.TB) *daemon {
	t.Helper()
	d.kill()
	next, err := startAt(d.dir, d.addresses)
	require.NoError(t, err)
	t.Cleanup(next.kill)
	return next
}

// newEAB makes a token for the ACME client of an identity.
func (d *daemon) newEAB(t testing.TB, role, name string) adminapi.NewToken {
	t.Helper()
	token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: role, Name: name, EAB: true})
	require.NoError(t, err)
	return token
}

// trusting carries HTTP to servers that the CA in dir vouches for.
func trusting(t testing.TB, dir string) http.RoundTripper {
	over := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(t, dir)}}
	t.Cleanup(over.CloseIdleConnections)
	return over
}

// An account is a client of golang.org/x/crypto/acme.
type account struct {
	*acme.Client
	t testing.TB
}

// newAccount returns a client that has a key, and no account yet.
func newAccount(t testing.TB, d *daemon, over http.RoundTripper) account {
	return account{&acme.Client{Key: newRequest(t).key, DirectoryURL: d.directory(), HTTPClient: &http.Client{Transport: over}}, t}
}

// bound returns a client with an account of that identity.
func bound(t testing.TB, d *daemon, over http.RoundTripper, role, name string) account {
	t.Helper()
	a, token := newAccount(t, d, over), d.newEAB(t, role, name)
	require.NoError(t, a.bind(token.KID, hmacKey(t, token)))
	return a
}

// hmacKey is the secret of a token of newEAB.
func hmacKey(t testing.TB, token adminapi.NewToken) []byte {
	t.Helper()
	key, err := base64.RawURLEncoding.DecodeString(token.HMACKey)
	require.NoError(t, err)
	return key
}

// bind makes the account.
func (a account) bind(kid string, key []byte) error {
	_, err := a.Register(a.t.Context(), &acme.Account{
		ExternalAccountBinding: &acme.ExternalAccountBinding{KID: kid, Key: key},
	}, acme.AcceptTOS)
	return err
}

// obtain gets a certificate for a name that takes no challenge.
func (a account) obtain(name string) (*x509.Certificate, error) {
	order, err := a.AuthorizeOrder(a.t.Context(), acme.DomainIDs(name))
	if err != nil {
		return nil, err
	}
	return a.finalize(order, name)
}

// finalize gets the certificate of an order that is ready.
func (a account) finalize(order *acme.Order, name string) (*x509.Certificate, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, newRequest(a.t).key)
	if err != nil {
		return nil, err
	}
	chain, _, err := a.CreateOrderCert(a.t.Context(), order.FinalizeURL, csr, true)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(chain[0])
}

// problem demands that the server has refused, with this status and type.
func problem(t testing.TB, err error, status int, kind string) {
	t.Helper()
	refused, ok := errors.AsType[*acme.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, status, refused.StatusCode, refused.Detail)
	require.Equal(t, "urn:ietf:params:acme:error:"+kind, refused.ProblemType, refused.Detail)
}

// post signs a payload, nil for POST-as-GET, and returns the answer. It is for what
// the client has no function for.
func (a account) post(url string, payload []byte) (*http.Response, []byte) {
	a.t.Helper()
	signed, err := a.sign(url, a, payload)
	require.NoError(a.t, err)
	resp, body, err := a.send(url, signed)
	require.NoError(a.t, err)
	return resp, body
}

// sign writes a JWS with all its fields: FullSerialize leaves an empty payload out.
func (a account) sign(url string, nonces jose.NonceSource, payload []byte) ([]byte, error) {
	options := (&jose.SignerOptions{NonceSource: nonces}).WithHeader("url", url).WithHeader("kid", string(a.KID))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: a.Key}, options)
	if err != nil {
		return nil, err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return nil, err
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		return nil, err
	}
	parts := strings.Split(compact, ".")
	return json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
}

func (a account) send(url string, signed []byte) (*http.Response, []byte, error) {
	resp, err := a.HTTPClient.Post(url, "application/jose+json", bytes.NewReader(signed))
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// Nonce gets a nonce from the account's server.
func (a account) Nonce() (string, error) {
	directory, err := a.Discover(a.t.Context())
	if err != nil {
		return "", err
	}
	resp, err := a.HTTPClient.Head(directory.NonceURL)
	if err != nil {
		return "", err
	}
	return resp.Header.Get("Replay-Nonce"), resp.Body.Close()
}

// ordersOf reads a page of an orders list.
func ordersOf(t testing.TB, body []byte) []string {
	var list struct{ Orders []string }
	require.NoError(t, json.Unmarshal(body, &list))
	return list.Orders
}

// linkOf returns where a link of an answer leads; "" if there is none.
func linkOf(resp *http.Response, rel string) string {
	for _, link := range resp.Header.Values("Link") {
		if url, ok := strings.CutSuffix(link, `>;rel="`+rel+`"`); ok {
			return strings.TrimPrefix(url, "<")
		}
	}
	return ""
}
