package revoke_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encoding/pem"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

var (
	root   = revoke.By{Name: "uid:0", Root: true}
	orders = revoke.Order{Reason: crl.KeyCompromise}
	home   = netip.MustParseAddr("192.0.2.7")
)

// A world is a CA with everything that this package gives it, on a real store and
// behind a real listener.
type world struct {
	*enrolltest.CA
	t         *testing.T
	revoker   *revoke.Revoker
	publisher *revoke.Publisher
	responder *revoke.Responder
	url       string
	root      *x509.Certificate
	issuing   *x509.Certificate
}

func newWorld(t *testing.T, c *enrolltest.CA, change ...func(*revoke.PublisherConfig, *revoke.ResponderConfig)) *world {
	t.Helper()
	w := &world{CA: c, t: t, root: c.Authority.Root(), issuing: c.Authority.Certificate()}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	clock := revoke.NewClock()
	said := signRoot(t, c)
	pc := revoke.PublisherConfig{
		Store: c.Store, Authority: c.Authority, Clock: clock, RootCRL: said.CRL, Heartbeat: time.Hour, Log: log,
	}
	rc := revoke.ResponderConfig{
		Store: c.Store, Authority: c.Authority, Clock: clock, RootResponder: said.Responder, RootKey: said.Key, Log: log,
	}
	for _, f := range change {
		f(&pc, &rc)
	}
	var err error
	w.revoker = &revoke.Revoker{Store: c.Store, Log: log}
	w.publisher, err = revoke.NewPublisher(t.Context(), pc)
	require.NoError(t, err)
	rc.RootCRL = w.publisher.RootCRL()
	w.responder, err = revoke.NewResponder(t.Context(), rc)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- w.publisher.Run(ctx) }()
	go func() { done <- w.responder.Run(ctx) }()
	mux := http.NewServeMux()
	mux.HandleFunc("/crl/full.crl", w.publisher.ServeFull)
	mux.HandleFunc("/crl/delta.crl", w.publisher.ServeDelta)
	mux.HandleFunc("/crl/root.crl", w.publisher.ServeRoot)
	mux.HandleFunc("/crl/stream", w.publisher.ServeStream)
	mux.HandleFunc("/chain.crl.pem", w.publisher.ServeChain)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ocsp") {
			w.responder.ServeHTTP(rw, r)
			return
		}
		mux.ServeHTTP(rw, r)
	}))
	w.url = server.URL
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		server.Close()
	})
	return w
}

// signRoot holds the ceremony's second half with a root key that enrolltest made.
func signRoot(t *testing.T, c *enrolltest.CA) *revoke.RootStatement {
	t.Helper()
	anchor, err := ca.NewRoot(c.Authority.Root(), c.RootKey, nil)
	require.NoError(t, err)
	said, err := revoke.SignRoot(anchor, nil, time.Now())
	require.NoError(t, err)
	return said
}

// enrol gives a new identity a certificate.
func (w *world) enrol(name string) (*x509.Certificate, crypto.Signer) {
	w.t.Helper()
	key := enrolltest.NewKey(w.t)
	cert, err := w.Enroll(w.t.Context(), w.Token(enroll.TokenRequest{Role: "device", Name: name}), home, enrolltest.CSR(w.t, key))
	require.NoError(w.t, err)
	return cert, key
}

// crowd gives one identity many certificates, each the child of the one before.
func (w *world) crowd(name string, many int) {
	w.t.Helper()
	cert, _ := w.enrol(name)
	for range many - 1 {
		h, err := w.Holder(w.t.Context(), cert, home)
		require.NoError(w.t, err)
		cert, err = w.Renew(w.t.Context(), h, enrolltest.CSR(w.t, enrolltest.NewKey(w.t)))
		require.NoError(w.t, err)
	}
}

// write puts certificates into a PEM file, or what else is given as bytes.
func (w *world) write(name string, content ...any) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	var out []byte
	for _, c := range content {
		switch c := c.(type) {
		case *x509.Certificate:
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		case []byte:
			out = append(out, c...)
		}
	}
	require.NoError(w.t, os.WriteFile(path, out, 0o600))
	return path
}

// eventually waits for what the world does by itself.
func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 5*time.Millisecond, what)
}

func serial(cert *x509.Certificate) store.Serial { return store.SerialOf(cert) }

// get fetches what a path of the world serves.
func (w *world) get(path string) []byte {
	w.t.Helper()
	resp, err := http.Get(w.url + path)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	require.Equal(w.t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return body
}
