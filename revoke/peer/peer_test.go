package peer_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/revoketest"
)

// A revoked client is cut off where it is connected, refused when it connects,
// and refused when it resumes a TLS session; its neighbour notices nothing. The
// same holds for a revoked server.
func TestRevoked(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway, pump, other := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1"), newMachine(t, w, "device/pump-2")
	address := gateway.listen(t)
	bad, err := pump.connect(t, address)
	require.NoError(t, err)
	good, err := other.connect(t, address)
	require.NoError(t, err)
	require.Equal(t, 2, gateway.Connections())

	// A thief with the key and a session ticket, and without a conscience.
	thief := &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{*pump.source.cert}, ClientSessionCache: tls.NewLRUClientSessionCache(8), ServerName: "gw",
	}
	stolen, err := tls.Dial("tcp", address, thief)
	require.NoError(t, err)
	require.NoError(t, call(stolen))
	again, err := tls.Dial("tcp", address, thief)
	require.NoError(t, err)
	require.NoError(t, call(again))
	require.True(t, again.ConnectionState().DidResume)

	revokeIt(t, w, "device/pump-1")
	for _, c := range []net.Conn{bad, stolen, again} {
		cut(t, c)
	}
	require.True(t, gateway.events.has(peer.Cut))
	_, err = pump.connect(t, address)
	require.Error(t, err)
	again, err = tls.Dial("tcp", address, thief)
	if err == nil {
		require.True(t, again.ConnectionState().DidResume)
		err = call(again)
	}
	require.Error(t, err, "a resumed session")
	require.NoError(t, call(good), "the neighbour")

	revokeIt(t, w, "device/gw")
	cut(t, good)
	_, err = other.connect(t, address)
	require.ErrorIs(t, err, peer.ErrRevoked)
}

// A renewing source is a machine that renews.
type renewing struct {
	source
	cert atomic.Pointer[tls.Certificate]
}

func (r *renewing) Certificate() *tls.Certificate { return r.cert.Load() }

// What either end renews to shows on the next connection, and what becomes of its
// old certificate is nobody's concern any more.
func TestRenewed(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	ends := make([]*machine, 2)
	own := make([]*renewing, 2)
	for i, path := range []string{"device/gw", "device/pump-1"} {
		own[i] = &renewing{source: sourceOf(t, w, path)}
		own[i].cert.Store(own[i].source.cert)
		ends[i] = open(t, w, own[i].source, func(c *peer.Config) { c.Source = own[i] })
	}
	address := ends[0].listen(t)
	for range 3 {
		_, err := ends[1].connect(t, address)
		require.NoError(t, err)
	}
	for i, path := range []string{"device/gw-renewed", "device/pump-1-renewed"} {
		own[i].cert.Store(sourceOf(t, w, path).cert)
	}
	revokeIt(t, w, "device/gw")
	number := revokeIt(t, w, "device/pump-1")
	require.Eventually(t, func() bool { return ends[0].Number() >= number && ends[1].Number() >= number }, 10*time.Second, time.Millisecond)
	c, err := ends[1].connect(t, address)
	require.NoError(t, err)
	require.Equal(t, "gw-renewed", c.ConnectionState().PeerCertificates[0].Subject.CommonName)
}

// An http.Server on any TCP listener with the bare tls.Config cuts as well, over
// HTTP/2 too, and an http.Client reaches it.
func TestHTTP(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway, pump := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1")
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	waiting := make(chan struct{})
	server := &http.Server{TLSConfig: gateway.Server(), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(waiting)
			<-r.Context().Done()
			return
		}
		io.WriteString(rw, r.Proto)
	})}
	go server.ServeTLS(inner, "", "")
	t.Cleanup(func() { server.Close() })
	url := "https://" + inner.Addr().String()
	client := pump.HTTPClient()
	resp, err := client.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, "HTTP/2.0", string(body))
	_, err = client.Get("http://" + inner.Addr().String())
	require.Error(t, err, "plain HTTP is not judged, and not sent")

	failed := make(chan error, 1)
	go func() {
		resp, err := client.Get(url + "/wait")
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-waiting
	revokeIt(t, w, "device/pump-1")
	select {
	case err := <-failed:
		require.Error(t, err)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "a request in flight was not cut")
	}
	_, err = client.Get(url)
	require.Error(t, err)
}

// Nobody whom no pattern names gets in, and a client takes a server only under
// the name that it dialled, unless the ID is all that counts.
func TestAllow(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway := newMachine(t, w, "device/gw", func(c *peer.Config) { c.Allow = []string{"spiffe://hospital.example/device/pump-*"} })
	address := gateway.listen(t)
	_, err := newMachine(t, w, "device/pump-1").connect(t, address)
	require.NoError(t, err)
	_, err = newMachine(t, w, "device/scanner-1").connect(t, address)
	require.Error(t, err)

	nobody := newMachine(t, w, "device/pump-2", func(c *peer.Config) { c.Allow = []string{"spiffe://hospital.example/service/*"} })
	_, err = nobody.connect(t, address)
	require.ErrorIs(t, err, peer.ErrNotAllowed)
	strict := newMachine(t, w, "device/pump-3", func(c *peer.Config) { c.IDOnly = false })
	_, err = strict.connect(t, address)
	var name x509.HostnameError
	require.ErrorAs(t, err, &name)

	_, err = peer.Open(t.Context(), peer.Config{Source: gateway.source, State: t.TempDir(), Allow: []string{"spiffe://*/x"}})
	require.Error(t, err, "a pattern that is none")
	_, err = peer.Open(t.Context(), peer.Config{Source: gateway.source, State: t.TempDir()})
	require.Error(t, err, "nobody named is a mistake, not everybody")
}

// With the CA gone, peers go on until the list is older than MaxAge; then they
// refuse, and cut what is open: they fail closed.
func TestFailClosed(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	var ahead atomic.Int64
	clock := func(c *peer.Config) {
		c.MaxAge = time.Hour
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}
	gateway, pump := newMachine(t, w, "device/gw", clock), newMachine(t, w, "device/pump-1")
	address := gateway.listen(t)
	w.Stop()
	ahead.Store(int64(59 * time.Minute))
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	ahead.Store(int64(61 * time.Minute))
	_, err = pump.connect(t, address)
	require.Error(t, err)
	cut(t, c)
	require.True(t, gateway.events.has(peer.Stale))
}

// A list on disk serves after a restart while the CA is away; without one nobody
// gets in.
func TestRestart(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	s, pump := sourceOf(t, w, "device/gw"), newMachine(t, w, "device/pump-1")
	gone := newMachine(t, w, "device/pump-2")
	dir := t.TempDir()
	here := func(c *peer.Config) { c.State = dir }
	first := open(t, w, s, here)
	fell := revokeIt(t, w, "device/pump-2")
	require.Eventually(t, func() bool { return first.Number() >= fell }, 10*time.Second, 5*time.Millisecond)
	number := first.Number()
	require.NoError(t, first.Close())
	w.Stop()

	second := open(t, w, s, here)
	require.Equal(t, number, second.Number())
	require.NoError(t, second.Fresh())
	address := second.listen(t)
	_, err := pump.connect(t, address)
	require.NoError(t, err)
	_, err = gone.connect(t, address)
	require.Error(t, err)

	blank := open(t, w, s)
	require.Error(t, blank.Fresh())
	_, err = pump.connect(t, blank.listen(t))
	require.Error(t, err)
}

// When the list is too old and OCSP answers, OCSP decides.
func TestOCSP(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway := newMachine(t, w, "device/gw", func(c *peer.Config) { c.MaxAge = time.Nanosecond })
	pump, gone := newMachine(t, w, "device/pump-1"), newMachine(t, w, "device/pump-2")
	address := gateway.listen(t)
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	_, err = gone.connect(t, address)
	require.NoError(t, err)
	revokeIt(t, w, "device/pump-2")
	_, err = gone.connect(t, address)
	require.Error(t, err)
	require.NoError(t, call(c))
}

// The table of open connections holds those that are open and no others, also
// where nobody tells us of their end: 10,000 come and go, most of them on resumed
// sessions, which are the cheapest to make and in the table like all others.
func TestNoLeak(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway, pump := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1")
	bare, err := tls.Listen("tcp", "127.0.0.1:0", gateway.Server())
	require.NoError(t, err)
	for _, address := range []string{gateway.listen(t), echo(t, bare)} {
		plain := &tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{*pump.source.cert}, ServerName: "gw",
			ClientSessionCache: tls.NewLRUClientSessionCache(16),
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 10_000 / 2 / 8 {
					var c net.Conn
					var err error
					if i%16 == 0 {
						c, err = pump.Dial(t.Context(), "tcp", address)
					} else {
						c, err = tls.Dial("tcp", address, plain)
					}
					if err == nil {
						err = call(c)
						c.Close()
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	require.Zero(t, pump.Connections())
	require.Eventually(t, func() bool { runtime.GC(); return gateway.Connections() == 0 }, 10*time.Second, 10*time.Millisecond)
}

// Who was cut is cut once, though nobody has closed his connection and the list
// names him again with every heartbeat.
func TestCutOnce(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t), func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) { p.Heartbeat = 20 * time.Millisecond })
	gateway, pump := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1")
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { inner.Close() })
	held := make(chan *tls.Conn, 1)
	go func() {
		c, err := inner.Accept()
		if err == nil {
			secure := tls.Server(c, gateway.Server())
			io.CopyN(secure, secure, 1)
			held <- secure
		}
	}()
	c, err := pump.connect(t, inner.Addr().String())
	require.NoError(t, err)
	kept := <-held
	number := revokeIt(t, w, "device/pump-1")
	cut(t, c)
	require.Eventually(t, func() bool { return gateway.Number() > number+5 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, gateway.events.count(peer.Cut))
	require.Zero(t, gateway.Connections())
	runtime.KeepAlive(kept)
}

// Open returns with what was revoked since the full list was made, and asks
// proxies for no old copies.
func TestOpenIsUpToDate(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	target, err := url.Parse(w.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	var stale atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			http.Error(rw, "not here", http.StatusServiceUnavailable)
			return
		}
		if strings.HasSuffix(r.URL.Path, ".crl") && r.Header.Get("Cache-Control") != "no-cache" {
			stale.Add(1)
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	signed := w.Publisher.Delta().Number // there may be a newer one by the time that Open returns
	m := newMachine(t, w, "device/gw", func(c *peer.Config) { c.URL = front.URL })
	require.GreaterOrEqual(t, m.Number(), signed)
	require.Zero(t, stale.Load())
}

// Without its GetConfigForClient the server's configuration lets nobody in, rather
// than everybody.
func TestServerAlone(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway, pump := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1")
	c := gateway.Server()
	c.GetConfigForClient = nil
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	require.NoError(t, err)
	_, err = pump.connect(t, echo(t, l))
	require.Error(t, err)
}

// The library that devices link brings nothing with it but its neighbours, and the home of
// SHA-1, by which OCSP names issuers.
func TestStandardLibraryOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	for line := range strings.FieldsSeq(string(out)) {
		ours, _ := strings.CutPrefix(line, "github.com/betonica/betonica/")
		require.True(t, strings.HasPrefix(ours, "revoke/") || ours == "ca/sha1name", line)
	}
}
