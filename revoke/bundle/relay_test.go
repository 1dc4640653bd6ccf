package bundle_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/bundle"
	"github.com/betonica/betonica/revoke/revoketest"
)

// A relay has every delta, and full lists that may be an hour old; or it is down. The
// file follows all the same: the lists then come from where the certificate says.
func TestRelay(t *testing.T) {
	var w *revoketest.World
	var streams atomic.Int64 // of the CA itself
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if path.Base(r.URL.Path) == "stream" {
			streams.Add(1)
		}
		w.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	w = revoketest.New(t, enrolltest.NewAt(t, front.URL))
	old := fetch(t, w.URL+"/chain.crl.pem")
	var down atomic.Bool
	relay := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case down.Load():
			http.Error(rw, "down", http.StatusBadGateway)
		case r.URL.Path == "/chain.crl.pem":
			rw.Write(old)
		default:
			w.Handler().ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(func() { relay.CloseClientConnections(); relay.Close() })

	own, _ := w.Enrol("device/web")
	m := newMachine(t)
	m.keep(w, relay.URL, func(c *bundle.Config) {
		c.Machine = func() (chain, roots []*x509.Certificate) {
			return []*x509.Certificate{own, w.Authority.Certificate()}, []*x509.Certificate{w.Authority.Root()}
		}
	})
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the first file")
	first, _ := w.Enrol("device/a")
	fall(t, w, "device/a")
	eventually(t, func() bool { return m.names(w, first) }, "past a relay that lags")

	require.Zero(t, streams.Load())
	down.Store(true)
	relay.CloseClientConnections()
	second, _ := w.Enrol("device/b")
	fall(t, w, "device/b")
	eventually(t, func() bool { return m.names(w, second) }, "past a relay that is down")
	eventually(t, func() bool { return streams.Load() > 0 }, "the deltas come from the CA")
	require.NotContains(t, m.log.String(), "let some of them in")
}

// Where full lists lag for longer, it is told: the file lets somebody in who was
// revoked.
func TestLag(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	old := fetch(t, w.URL+"/chain.crl.pem")
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chain.crl.pem" {
			rw.Write(old)
			return
		}
		w.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	m := newMachine(t)
	m.keep(w, front.URL)
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the first file")
	w.Enrol("device/a")
	fall(t, w, "device/a")
	eventually(t, func() bool { m.keeper.Poke(); return contains(&m.log, "let some of them in") }, "it is told")
}
