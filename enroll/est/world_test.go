package est_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/est"
)

// A world is an authority behind a listener for EST clients.
type world struct {
	*enrolltest.CA
	t      testing.TB
	server *httptest.Server
	roots  *x509.CertPool
}

func newWorld(t testing.TB, policy string, labels ...string) *world {
	w := &world{CA: enrolltest.New(t), t: t, roots: x509.NewCertPool()}
	if policy != "" {
		_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(policy), w.Policies.Current().Version())
		require.NoError(t, err)
	}
	self, err := w.Self(t.Context(), "betonicad", []string{"localhost"}, nil)
	require.NoError(t, err)
	h, err := est.New(est.Config{Registrar: w.Registrar, Issuers: w.Issuers, Identity: func() (*tls.Certificate, error) { return &self, nil }, Labels: labels})
	require.NoError(t, err)
	w.server = httptest.NewUnstartedServer(h)
	w.server.TLS = est.TLS(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &self, nil })
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.roots.AddCert(w.Authority.Root())
	return w
}

// client returns a client that presents a chain, if any, and begins with the root
// alone. version is the highest of TLS; 0: 1.3.
func (w *world) client(version uint16, chain ...*tls.Certificate) *http.Client {
	conf := &tls.Config{RootCAs: w.roots, ServerName: "localhost", MaxVersion: version}
	if len(chain) > 0 {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return chain[0], nil }
	}
	transport := &http.Transport{TLSClientConfig: conf}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// An exchange is one request, with what came back.
type exchange struct {
	*http.Response
	body []byte
}

// post sends a CSR as clients do; token may be "", and then there are no credentials.
func (w *world) post(c *http.Client, path, token string, csr []byte) exchange {
	w.t.Helper()
	req := w.request(http.MethodPost, path, []byte(base64.StdEncoding.EncodeToString(csr)+"\n"))
	req.Header.Set("Content-Type", "application/pkcs10")
	if token != "" {
		req.SetBasicAuth("anybody", token)
	}
	return w.do(c, req)
}

func (w *world) request(method, path string, body []byte) *http.Request {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+est.Prefix+path, bytes.NewReader(body))
	require.NoError(w.t, err)
	return req
}

func (w *world) get(path string) exchange {
	w.t.Helper()
	return w.do(w.client(0), w.request(http.MethodGet, path, nil))
}

func (w *world) do(c *http.Client, req *http.Request) exchange {
	w.t.Helper()
	resp, err := c.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return exchange{resp, body}
}

// certificates reads a certs-only answer with a library of others.
func (e exchange) certificates(t testing.TB) []*x509.Certificate {
	t.Helper()
	require.Equal(t, http.StatusOK, e.StatusCode, string(e.body))
	der, err := base64.StdEncoding.DecodeString(string(e.body)) // takes line ends
	require.NoError(t, err)
	message, err := pkcs7.Parse(der)
	require.NoError(t, err)
	return message.Certificates
}

// leaf is the only certificate of an answer.
func (e exchange) leaf(t testing.TB) *x509.Certificate {
	t.Helper()
	certs := e.certificates(t)
	require.Len(t, certs, 1, "only what was issued: RFC 7030, Section 4.2.3")
	return certs[0]
}

// enrolled returns a certificate that was got by a token, and its key.
func (w *world) enrolled(role, name string) (*x509.Certificate, crypto.Signer) {
	w.t.Helper()
	key := enrolltest.NewKey(w.t)
	token := w.Token(enroll.TokenRequest{Role: role, Name: name})
	return w.post(w.client(0), "simpleenroll", token, enrolltest.CSR(w.t, key)).leaf(w.t), key
}

// raw sends bytes over TLS, as no HTTP client would, and returns what comes back.
func (w *world) raw(text string) string {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.server.Listener.Addr().String(), &tls.Config{RootCAs: w.roots, ServerName: "localhost"})
	require.NoError(w.t, err)
	defer conn.Close()
	require.NoError(w.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(w.t, err)
	answer, _ := io.ReadAll(conn) // that the connection is cut is an answer, too
	return string(answer)
}

// rawClosed is raw for a client that sends no more: the server cannot wait for it.
func (w *world) rawClosed(text string) string {
	w.t.Helper()
	return w.raw(text + strings.Repeat("A", 128<<10))
}

var (
	home       = netip.MustParseAddr("127.0.0.1")
	forgery, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
)

// forged returns a certificate for another key that says what cert says.
func (w *world) forged(cert *x509.Certificate) []byte {
	w.t.Helper()
	template := *cert
	template.PublicKey = nil
	issuer := *w.Authority.Certificate()
	issuer.PublicKey = forgery.Public()
	der, err := x509.CreateCertificate(rand.Reader, &template, &issuer, forgery.Public(), forgery)
	require.NoError(w.t, err)
	return der
}
