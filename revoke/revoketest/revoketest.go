// Package revoketest gives tests a CA that also revokes: the real Revoker,
// Publisher and Responder on a real store, behind a real listener.
package revoketest

import (
	"context"
	"crypto"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/store"
)

var (
	// Root revokes.
	Root = revoke.By{Name: "uid:0", Root: true}
	// Home is where machines enrol from.
	Home = netip.MustParseAddr("192.0.2.7")
)

// A World is a CA with everything that package revoke gives it.
type World struct {
	*enrolltest.CA
	Revoker     *revoke.Revoker
	Publisher   *revoke.Publisher // of Authority
	Publishers  *revoke.Publishers
	Responder   *revoke.Responder
	Enforcement *enforcement.Registry
	URL         string // of the HTTP listener

	t      testing.TB
	server *httptest.Server
	stop   func()
}

// New adds to a CA what revokes; change may alter the configuration. Heartbeats
// come hourly, so that tests see only what they do. It ends with the test.
func New(t testing.TB, c *enrolltest.CA, change ...func(*revoke.PublisherConfig, *revoke.ResponderConfig)) *World {
	t.Helper()
	w := &World{CA: c, t: t}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	clock := revoke.NewClock()
	anchor, err := revoke.NewAnchor(c.Authority.Root(), w.signRoot())
	require.NoError(t, err)
	pc := revoke.PublisherConfig{
		Store: c.Store, Authority: c.Authority, Clock: clock, Heartbeat: time.Hour, Log: log,
	}
	rc := revoke.ResponderConfig{
		Store: c.Store, Issuers: c.Issuers, Clock: clock, Root: anchor, Log: log,
	}
	for _, f := range change {
		f(&pc, &rc)
	}
	w.Revoker = &revoke.Revoker{Store: pc.Store, Log: log}
	w.Publisher, err = revoke.NewPublisher(t.Context(), pc)
	require.NoError(t, err)
	w.Publishers = revoke.NewPublishers(anchor, w.Publisher)
	w.Responder, err = revoke.NewResponder(t.Context(), rc)
	require.NoError(t, err)

	w.Enforcement, err = enforcement.New(t.Context(), enforcement.Config{
		Store: pc.Store, Signed: w.Publishers.Signed, Heartbeat: pc.Heartbeat, Log: log, Now: c.Now,
	})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 3)
	go func() { done <- w.Publishers.Run(ctx) }()
	go func() { done <- w.Responder.Run(ctx) }()
	go func() { done <- w.Enforcement.Run(ctx) }()
	w.server = httptest.NewServer(w.Handler())
	w.URL = w.server.URL
	w.stop = sync.OnceFunc(func() {
		cancel()
		for range cap(done) {
			require.NoError(t, <-done)
		}
		w.server.CloseClientConnections()
		w.server.Close()
	})
	t.Cleanup(w.stop)
	return w
}

// OnStore has a World stand on a store of its own: it is one of several processes on
// one database then.
func OnStore(db *store.DB) func(*revoke.PublisherConfig, *revoke.ResponderConfig) {
	return func(p *revoke.PublisherConfig, r *revoke.ResponderConfig) { p.Store, r.Store = db, db }
}

// Stop ends everything that answers, as if the CA's host were gone.
func (w *World) Stop() { w.stop() }

// Handler routes as the daemon does.
func (w *World) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range w.Publishers.Routes() {
		mux.HandleFunc(pattern, serve)
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ocsp") {
			w.Responder.ServeHTTP(rw, r)
			return
		}
		mux.ServeHTTP(rw, r)
	})
}

// signRoot holds the ceremony's second half.
func (w *World) signRoot() *revoke.RootStatement {
	w.t.Helper()
	anchor, err := ca.NewRoot(w.Authority.Root(), w.RootKey, nil)
	require.NoError(w.t, err)
	said, err := revoke.SignRoot(anchor, nil, time.Now())
	require.NoError(w.t, err)
	return said
}

// Enrol gives a new identity ("device/pump-1") a certificate.
func (w *World) Enrol(path string) (*x509.Certificate, crypto.Signer) {
	w.t.Helper()
	role, name, _ := strings.Cut(path, "/")
	key := enrolltest.NewKey(w.t)
	token := w.Token(enroll.TokenRequest{Role: role, Name: name})
	cert, err := w.Enroll(w.t.Context(), token, Home, enrolltest.CSR(w.t, key))
	require.NoError(w.t, err)
	return cert, key
}
