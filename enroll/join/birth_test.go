package join_test

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/join"
	"github.com/betonica/betonica/store"
)

// A birth certificate that is presented in TLS enrols its device, whoever issued it; and
// none is one that the caller has no key for, nor one of ours.
func TestEnrollByBirthCertificate(t *testing.T) {
	c := enrolltest.New(t)
	m := enrolltest.NewManufacturer(t, "Pumps")
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", fmt.Appendf(nil,
		"[role.pump]\nmethods = ['birth', 'token', 'renew']\nmanufacturer_roots = '''\n%s'''\n", m.PEM()), enroll.AnyVersion)
	require.NoError(t, err)
	c.Inventory("pump", "pump-1", "SN 1")
	key, chain := m.Device("SN 1")

	failed := make(chan error, 1)
	h := &join.Handler{Registrar: c.Registrar}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.Enroll(w, r)
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		failed <- err
	}))
	self, err := c.Self(t.Context(), "ca-1", nil, []netip.Addr{netip.MustParseAddr("127.0.0.1")})
	require.NoError(t, err)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{self}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	defer srv.Close()
	enrol := func(token string, chain []*x509.Certificate, key crypto.Signer) error {
		own := &tls.Certificate{PrivateKey: key}
		for _, cert := range chain {
			own.Certificate = append(own.Certificate, cert.Raw)
		}
		roots := x509.NewCertPool()
		roots.AddCert(c.Authority.Root())
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil },
		}}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+api.PathEnroll, bytes.NewReader(enrolltest.CSR(t, enrolltest.NewKey(t))))
		require.NoError(t, err)
		if token != "" {
			req.Header = bearer(token)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		return <-failed
	}
	require.Error(t, enrol("", chain, enrolltest.NewKey(t)), "the handshake fails, or it is refused")
	require.Equal(t, store.Pending, c.Identity("pump/pump-1").State)
	require.NoError(t, enrol("", chain, key))
	require.Equal(t, store.Active, c.Identity("pump/pump-1").State)

	mine := enrolltest.NewKey(t)
	cert, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-2"}), netip.Addr{}, enrolltest.CSR(t, mine))
	require.NoError(t, err)
	require.Equal(t, enroll.ErrUnauthenticated, enrol("", []*x509.Certificate{cert}, mine))
	token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-2", Replace: true})
	require.NoError(t, enrol(token, []*x509.Certificate{cert}, mine), "it has it still, and enrols anew by what it was given")
}
