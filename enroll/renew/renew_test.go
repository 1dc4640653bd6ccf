package renew_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/renew"
	"github.com/betonica/betonica/store"
)

// A machine is one end of a connection to the handler.
type machine struct {
	t      *testing.T
	client *http.Client
	url    string
	failed chan error
}

// connect returns a machine with that certificate, or none, whose connection stays
// open from one request to the next.
func connect(t *testing.T, c *enrolltest.CA, own *tls.Certificate) *machine {
	h := &renew.Handler{Registrar: c.Registrar}
	m := &machine{t: t, failed: make(chan error, 1)}
	mux := http.NewServeMux()
	for path, serve := range map[string]func(http.ResponseWriter, *http.Request) error{api.PathRenew: h.Renew, api.PathRenewLate: h.RenewLate, api.PathConfirm: h.Confirm} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			err := serve(w, r)
			if err != nil {
				w.WriteHeader(http.StatusTeapot)
			}
			m.failed <- err
		})
	}
	self, err := c.Self(t.Context(), "ca-1", nil, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(mux)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{self}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(c.Authority.Root())
	conf := &tls.Config{RootCAs: roots}
	if own != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	m.url, m.client = srv.URL, &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
	t.Cleanup(m.client.CloseIdleConnections)
	return m
}

// post sends one request, and returns the status, the leaf that came back and the
// error that the handler returned.
func (m *machine) post(path string, body []byte) (int, *x509.Certificate, error) {
	m.t.Helper()
	resp, err := m.client.Post(m.url+path, "", bytes.NewReader(body))
	require.NoError(m.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	if err := <-m.failed; err != nil || len(text) == 0 {
		return resp.StatusCode, nil, err
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(m.t, err)
	return resp.StatusCode, cert, nil
}

// enrolled returns a certificate of device/pump-1 and its key.
func enrolled(t *testing.T, c *enrolltest.CA) (*x509.Certificate, *ecdsa.PrivateKey) {
	key := enrolltest.NewKey(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	cert, err := c.Enroll(t.Context(), token, netip.Addr{}, enrolltest.CSR(t, key))
	require.NoError(t, err)
	return cert, key
}

// A machine renews over mutual TLS, gets the same answer to the same request, and
// confirms with the new certificate; then its old one has no business any more.
func TestRenew(t *testing.T) {
	c := enrolltest.New(t)
	cert, key := enrolled(t, c)
	old := connect(t, c, c.TLS(cert, key))
	next := enrolltest.NewKey(t)
	csr := enrolltest.CSR(t, next)
	status, child, err := old.post(api.PathRenew, csr)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status)
	_, again, err := old.post(api.PathRenew, csr)
	require.NoError(t, err)
	require.Equal(t, child.Raw, again.Raw)
	require.Empty(t, c.Audit("certificate.fork"))

	status, _, err = connect(t, c, c.TLS(child, next)).post(api.PathConfirm, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, status)
	h, err := c.Store.Holder(t.Context(), store.SerialOf(child))
	require.NoError(t, err)
	require.True(t, h.Confirmed)
	_, _, err = old.post(api.PathRenew, csr)
	require.NoError(t, err)
	require.Len(t, c.Audit("certificate.fork"), 1)
}

// A connection may live on, but each request looks the certificate up again.
func TestSuspendedOnAnOpenConnection(t *testing.T) {
	c := enrolltest.New(t)
	cert, key := enrolled(t, c)
	m := connect(t, c, c.TLS(cert, key))
	_, _, err := m.post(api.PathConfirm, nil)
	require.NoError(t, err)
	_, err = c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	var denied *ca.DeniedError
	_, _, err = m.post(api.PathRenew, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.ErrorAs(t, err, &denied)
	_, _, err = m.post(api.PathConfirm, nil)
	require.ErrorAs(t, err, &denied)
}

// Without a certificate of ours nothing is renewed or confirmed.
func TestStrangers(t *testing.T) {
	c := enrolltest.New(t)
	other := enrolltest.New(t)
	cert, key := enrolled(t, other)
	for name, own := range map[string]*tls.Certificate{"none": nil, "another CA's": other.TLS(cert, key)} {
		t.Run(name, func(t *testing.T) {
			m := connect(t, c, own)
			_, _, err := m.post(api.PathRenew, enrolltest.CSR(t, enrolltest.NewKey(t)))
			require.Equal(t, enroll.ErrUnauthenticated, err)
			_, _, err = m.post(api.PathConfirm, nil)
			require.Equal(t, enroll.ErrUnauthenticated, err)
		})
	}
}

// An expired certificate, presented in TLS, is renewed on the path for that, and there
// alone; and only an expired one.
func TestRenewLate(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\ngrace = '30d'\n"), enroll.AnyVersion)
	require.NoError(t, err)
	key := enrolltest.NewKey(t)
	cert, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), netip.Addr{}, enrolltest.CSR(t, key))
	require.NoError(t, err)
	_, _, err = connect(t, c, nil).post(api.PathRenewLate, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.Equal(t, enroll.ErrUnauthenticated, err)
	m := connect(t, c, c.TLS(cert, key))
	var denied *ca.DeniedError
	_, _, err = m.post(api.PathRenewLate, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.ErrorAs(t, err, &denied)
	c.Advance(48 * time.Hour)
	_, _, err = m.post(api.PathRenew, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.ErrorAs(t, err, &denied)
	status, child, err := m.post(api.PathRenewLate, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, cert.URIs, child.URIs)
}

// Who renews says what time his machine has, and the log by how much it is wrong.
func TestClock(t *testing.T) {
	c := enrolltest.New(t)
	cert, key := enrolled(t, c)
	m := connect(t, c, &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key})
	for _, date := range []string{"yesterday", time.Now().UTC().Add(time.Hour + 30*time.Second).Format(http.TimeFormat)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+api.PathRenew, bytes.NewReader(enrolltest.CSR(t, enrolltest.NewKey(t))))
		require.NoError(t, err)
		req.Header.Set("Date", date)
		resp, err := m.client.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.NoError(t, <-m.failed)
	}
	issued := c.Audit("certificate.issue")
	require.NotContains(t, issued[len(issued)-2].Detail, "clock", "it said nonsense")
	require.Contains(t, issued[len(issued)-1].Detail, "clock")
}
