package web_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/sign"
	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

const patience = 20 * time.Second

// records keeps what it is given in memory, unless it is told to fail.
type records struct {
	mu       sync.Mutex
	all      []record.Record
	open     []record.Record // of requests that are under way, which are apart
	failKeep error
	unready  error
	hold     chan struct{} // Keep waits for it; nil: for nothing
	asked    chan struct{} // Keep says that it waits
	news     chan struct{}
}

func (k *records) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unready
}

func (k *records) Keep(_ context.Context, r record.Record) error {
	k.mu.Lock()
	hold := k.hold
	k.mu.Unlock()
	if hold != nil {
		k.asked <- struct{}{}
		<-hold
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failKeep != nil {
		return k.failKeep
	}
	if r.Kind == record.Request && r.End.IsZero() {
		k.open = append(k.open, r.Clean())
	} else {
		k.all = append(k.all, r.Clean())
	}
	select {
	case k.news <- struct{}{}:
	default:
	}
	return nil
}

func (k *records) set(change func(k *records)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

// opened returns as soon as there are n records of requests that are under way.
func (k *records) opened(t testing.TB, n int) []record.Record {
	return k.waitFor(t, n, &k.open)
}

// underWay returns the records of requests that were under way.
func (k *records) underWay() []record.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.open)
}

// wait returns the records as soon as there are n.
func (k *records) wait(t testing.TB, n int) []record.Record {
	t.Helper()
	return k.waitFor(t, n, &k.all)
}

func (k *records) waitFor(t testing.TB, n int, kept *[]record.Record) []record.Record {
	t.Helper()
	timeout := time.After(patience)
	for {
		k.mu.Lock()
		all := append([]record.Record(nil), *kept...)
		k.mu.Unlock()
		if len(all) >= n {
			require.Len(t, all, n)
			return all
		}
		select {
		case <-k.news:
		case <-timeout:
			require.FailNow(t, "records are missing", "%d of %d: %+v", len(all), n, all)
		}
	}
}

// A world is a CA and those who have certificates of it.
type world struct {
	testing.TB
	ca *peertest.CA
}

func newWorld(t testing.TB) *world { return &world{t, peertest.New(t)} }

func (w *world) peer(id *peertest.Identity) *peer.Peer {
	p, err := peer.Open(w.Context(), peer.Config{Source: id, State: w.TempDir(), Allow: []string{peertest.Everyone}, IDOnly: true, Log: slog.New(slog.DiscardHandler)})
	require.NoError(w, err)
	w.Cleanup(func() { p.Close() })
	return p
}

// A guard is one route of a guard, with all that is around it.
type guard struct {
	*records
	route *gate.Route
	gate  *web.Gate
	addr  string
	peer  *peer.Peer
	id    *peertest.Identity

	mu    sync.Mutex
	links []*gate.Link
	drain chan struct{}
}

func (g *guard) last() *gate.Link {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.links[len(g.links)-1]
}

func anything() allow.Set { return rules(allow.Rule{HTTP: &allow.HTTPRule{}}) }

func rules(all ...allow.Rule) allow.Set {
	for i := range all {
		if all[i].Name == "" {
			all[i].Name = "any"
		}
		if all[i].Peers == nil {
			all[i].Peers = []string{peertest.Everyone}
		}
	}
	set, err := allow.NewSet(all...)
	if err != nil {
		panic(err)
	}
	return set
}

func (w *world) guard(side record.Side, conf web.Conf, id string) *guard {
	g := &guard{records: &records{news: make(chan struct{}, 1), asked: make(chan struct{}, 1)}, id: w.ca.Identity(id), drain: make(chan struct{})}
	if conf.Sign != nil {
		conf.Sign = g.id.Certificate
	}
	conf.Nonces = sign.NewNonces(1000)
	g.gate = web.New(conf)
	g.peer = w.peer(g.id)
	g.route = &gate.Route{
		Name: "web", Target: "target", Side: side, Guard: "spiffe://" + peertest.TrustDomain + "/" + id,
		Records: g.records, Meter: new(gate.Meter), Log: slog.New(slog.DiscardHandler), Now: time.Now, Drain: g.drain,
	}
	return g
}

// serve serves what l accepts until the test ends.
func (w *world) serve(g *guard, l net.Listener) {
	g.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var links sync.WaitGroup
	links.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			links.Go(func() { g.link(ctx, c) })
		}
	})
	w.Cleanup(func() {
		l.Close()
		cancel()
		links.Wait()
		g.gate.Close()
	})
}

func (g *guard) link(ctx context.Context, c net.Conn) {
	defer c.Close()
	caller := gate.Caller{Address: c.RemoteAddr().String()}
	var state *tls.ConnectionState
	var why func() (string, bool)
	if secure, ok := c.(*tls.Conn); ok {
		if secure.HandshakeContext(ctx) != nil {
			return
		}
		cs := secure.ConnectionState()
		state, caller.Certificate, why = &cs, cs.PeerCertificates[0], whyCut(secure)
		caller.ID, _ = allow.IDOf(caller.Certificate)
		caller.Serial = caller.Certificate.SerialNumber.Text(16)
	}
	ctx, l := gate.NewLink(ctx, g.route, c, caller, state, why)
	g.mu.Lock()
	g.links = append(g.links, l)
	g.mu.Unlock()
	g.gate.Serve(ctx, l)
	l.End("")
}

func whyCut(c net.Conn) func() (string, bool) {
	return func() (string, bool) { return gate.Revoked, peer.WhyCut(c) != nil }
}

// server starts a guard before an application.
func (w *world) server(app string, conf web.Conf) *guard {
	g := w.guard(record.Server, conf, "service/app")
	set := anything()
	g.route.Rules = func() allow.Set { return set }
	g.route.Dial = func(ctx context.Context, _ *gate.Link) (*gate.Target, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", app)
		return &gate.Target{Conn: c}, err
	}
	l, err := g.peer.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	w.serve(g, l)
	return g
}

// client starts a guard beside a caller.
func (w *world) client(server string, conf web.Conf) *guard {
	g := w.guard(record.Client, conf, "device/pump")
	expected, err := allow.ParsePeers(peertest.Everyone)
	require.NoError(w, err)
	dial := func(proto string) func(ctx context.Context, _ *gate.Link) (*gate.Target, error) {
		return func(ctx context.Context, _ *gate.Link) (*gate.Target, error) {
			c, err := g.peer.DialExpecting(ctx, "tcp", server, peer.Expectation{Allow: expected, IDOnly: true, NextProtos: []string{proto}})
			if err != nil {
				return nil, err
			}
			cs := c.ConnectionState()
			id, err := allow.IDOf(cs.PeerCertificates[0])
			return &gate.Target{Conn: c, ID: id, TLS: &cs, Why: whyCut(c)}, err
		}
	}
	g.route.Dial, g.route.DialHTTP2 = dial("http/1.1"), dial("h2")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	w.serve(g, l)
	return g
}

// caller is a machine that speaks mutual TLS itself.
func (w *world) caller() (*peer.Peer, *peertest.Identity) {
	id := w.ca.Identity("device/scanner")
	return w.peer(id), id
}

// get asks a server's guard by a client of ours.
func (w *world) http(p *peer.Peer, two bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!two)
	protocols.SetHTTP2(two)
	t := &http.Transport{Protocols: protocols, DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		expected, _ := allow.ParsePeers(peertest.Everyone)
		proto := "http/1.1"
		if two {
			proto = "h2"
		}
		return p.DialExpecting(ctx, network, address, peer.Expectation{Allow: expected, IDOnly: true, NextProtos: []string{proto}})
	}}
	w.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// application starts one.
func (w *world) application(h http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(h)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.Config.Protocols = protocols
	s.Start()
	w.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func readAll(t testing.TB, r io.ReadCloser) string {
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}
