package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/sign"
	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
	"github.com/betonica/betonica/cmd/internal/record"
)

// Conf says how a route's HTTP is served. The zero Conf is one before a plain HTTP/1.1
// application.
type Conf struct {
	// FHIR is the base path of the FHIR server behind the route, such as "/fhir"; "" if
	// there is none. What is below it is judged by rules of FHIR, too.
	FHIR string

	// HTTP2 has the target spoken to in HTTP/2 without negotiation, as applications of
	// gRPC behind a guard want it. On the client's side it is not looked at: there a
	// request goes on in the version that it came in.
	HTTP2 bool

	// Host is what the target is called by; "": as the caller called it. On the client's
	// side it is the name of the server.
	Host string

	// Hosts, on the client's side, are names that programs may call the listener by,
	// besides Host, localhost and its address. By others only a page of a browser does, to which
	// they were made to point.
	Hosts []string

	// Chain adds Client-Cert-Chain to Client-Cert.
	Chain bool

	// Sign, on the client's side, returns the machine's certificate of this moment, by
	// whose key each request is signed (RFC 9421); nil: none is. A body is held in
	// memory for its digest, which goes before it: one of more than 1 MiB is refused, and
	// so a signed route is not one for long uploads, nor for streams of gRPC. 64 are
	// held at most; the next waits.
	Sign func() *tls.Certificate

	// Signed, on the server's side, refuses requests that are not signed by the key of
	// the certificate that their connection was made with. A body is compared with
	// its digest as it passes; the target gets the end of it only if it is the one.
	Signed bool

	// Nonces are those of signed requests. Required with Signed; Gates may share them.
	Nonces *sign.Nonces
}

// A Gate is the HTTP of one route. It implements [gate.Gate].
type Gate struct {
	conf   Conf
	server *http.Server // of HTTP/2
	errors errorLog
	held   chan struct{} // has one for each body that is held to be signed

	openAfter time.Duration // see the constant

	pools struct {
		sync.Mutex
		backend
		of *tls.Certificate // whom its connections are made by, where that matters
	}

	draining sync.Once
	sessions sessions
}

var _ gate.Gate = (*Gate)(nil)

// New returns the gate of one route.
func New(conf Conf) *Gate {
	g := &Gate{conf: conf, held: make(chan struct{}, atOnce), openAfter: openAfter}
	g.sessions.closed = make(chan struct{})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true) // TLS is done already
	g.server = &http.Server{
		Handler:        http.HandlerFunc(g.serveHTTP),
		BaseContext:    func(l net.Listener) context.Context { return l.(*single).ctx },
		MaxHeaderBytes: h1.MaxHead,
		Protocols:      protocols,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: 250, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10},
		ErrorLog:       log.New(&g.errors, "", 0),
	}
	return g
}

// openAfter is when a request that is still under way has a record, however little passes.
const openAfter = 10 * time.Second

// Serve implements [gate.Gate].
func (g *Gate) Serve(ctx context.Context, l *gate.Link) {
	g.errors.to.Store(l.Route.Log)
	p := newPeer(l, g.conf.Chain)
	p.keeps = context.WithoutCancel(ctx)
	w := newWire(l.Conn)
	of := context.WithValue(ctx, peerKey{}, p)
	if g.one(ctx, newSession(of, g, w), l.Route) {
		s := &single{wire: w, ctx: of, drain: g.drain, route: l.Route}
		g.server.Serve(s) // returns when the connection ends, or the route does
		s.wait(ctx)
	}
	p.wait()
	p.logoff(p.keeps)
	p.pool.CloseIdleConnections()
}

// one serves a connection of HTTP/1 until it ends, and reports whether it is one of HTTP/2
// after all.
func (g *Gate) one(ctx context.Context, s *session, r *gate.Route) (two bool) {
	g.sessions.enter(s, r.Drain)
	defer g.sessions.leave(s)
	defer context.AfterFunc(ctx, func() { s.wire.Close() })()
	return s.serve()
}

// Close ends the connections to the target. No link is served any more.
func (g *Gate) Close() error {
	g.sessions.close()
	g.pools.Lock()
	defer g.pools.Unlock()
	g.pools.CloseIdleConnections()
	return g.server.Close()
}

// drain ends idle connections, and the others after what is under way on them.
func (g *Gate) drain() {
	g.draining.Do(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel() // whoever waits for what is under way are those who Serve it
		g.server.Shutdown(ended)
	})
}

// A peer is a caller's connection as requests see it.
type peer struct {
	link  *gate.Link
	keeps context.Context // under which records are kept, whatever ends
	bond  record.Bond     // in server mode
	cert  string          // Client-Cert
	chain string          // Client-Cert-Chain; "": none

	identity []byte // what tells an application of HTTP/1.1 all of that, as lines of a head

	pool backend // of this connection alone, where the target is told who comes

	told atomic.Bool // a request's record says that, and why, the guard ended the connection

	mu     sync.Mutex
	active int
	idle   chan struct{} // closed when nothing is active; nil if nobody waits
}

// peerKey is where a request's context has its peer: net/http hands handlers nothing
// else of the connection.
type peerKey struct{}

func newPeer(l *gate.Link, chain bool) *peer {
	p := &peer{link: l}
	if l.Route.Side != record.Server {
		return p
	}
	p.bond = l.Bond(nil)
	if l.Caller.Certificate != nil {
		p.cert = certificate(l.Caller.Certificate)
	}
	if chain && l.TLS != nil {
		p.chain = chainOf(l.TLS)
	}
	p.identity = appendField(nil, headerIdentity, []string{l.Caller.ID.String()})
	p.identity = appendField(p.identity, headerCert, []string{p.cert})
	if p.chain != "" {
		p.identity = appendField(p.identity, headerChain, []string{p.chain})
	}
	return p
}

// certificate encodes one as RFC 9440, Section 2.1 does: a byte sequence.
func certificate(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

func chainOf(cs *tls.ConnectionState) string {
	var all []string
	for _, c := range cs.PeerCertificates[min(1, len(cs.PeerCertificates)):] {
		all = append(all, certificate(c))
	}
	return strings.Join(all, ", ")
}

func (p *peer) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active++
}

func (p *peer) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active--; p.active == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// wait returns when no request is under way, so that all their records are kept.
func (p *peer) wait() {
	p.mu.Lock()
	if p.active == 0 {
		p.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	p.idle = idle
	p.mu.Unlock()
	<-idle
}
