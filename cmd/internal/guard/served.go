package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// A served is a route in use: what its listener's connections are given to. A changed
// route is another served.
type served struct {
	guard *Guard
	conf  Route
	to    target
	route *gate.Route
	gate  gate.Gate
	tls   *tls.Config // nil in client mode

	drain  chan struct{} // closed when the route ends
	ctx    context.Context
	cancel context.CancelFunc // cuts what is still there
	conns  sync.WaitGroup     // from accept on; nothing is added once drain is closed
	over   bool               // under links.mu: it was cut
}

var errNotAdmitted = errors.New("no rule lets it do anything here")

// newServed puts a route together; nothing is opened yet.
func (g *Guard) newServed(conf Route) (*served, error) {
	to, err := conf.target()
	if err != nil {
		return nil, err
	}
	s := &served{guard: g, conf: conf, to: to, drain: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background()) // it outlives whoever asks the guard to stop
	s.route = &gate.Route{
		Name: conf.Name, Target: to.String(), Side: conf.side(), Guard: g.id.String(),
		Limits: gate.Limits{Idle: conf.Idle.D, Age: conf.Age.D}, Observe: conf.Observe, Proxied: conf.ProxyProtocol, LaxEnd: conf.LaxEnd,
		Records: g.records, Meter: g.meter(conf.Name), Log: g.log, Now: g.now, Drain: s.drain,
	}
	if conf.side() == record.Client {
		err = g.reach(s.route, conf, to)
	} else {
		s.route.Dial = g.backend(conf, to)
		s.route.Rules, s.route.Observing = g.rules.set, g.rules.observe
		s.tls = s.tlsConfig()
	}
	if err == nil {
		s.gate, err = gateFor(conf, to, g.source.Certificate, g.nonces)
	}
	if err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// tlsConfig is the peer's, which judges who comes, and then asks whether any rule
// wants him here: who may do nothing gets no further than the handshake.
func (s *served) tlsConfig() *tls.Config {
	conf := s.guard.peer.Server()
	conf.NextProtos = s.to.kind.alpn
	conf.MinVersion, conf.CipherSuites = versions[s.conf.MinVersion], suites
	conf.DynamicRecordSizingDisabled = s.to.kind.alpn == nil // small records are for browsers that wait for the first bytes
	judged := conf.GetConfigForClient
	conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := judged(hello)
		if err != nil {
			return nil, err
		}
		verify := c.VerifyConnection
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			if err := verify(cs); err != nil {
				return err
			}
			if id, err := allow.IDOf(cs.PeerCertificates[0]); err != nil || !s.admits(id) {
				return errNotAdmitted
			}
			return nil
		}
		return c, nil
	}
	return conf
}

// admits reports whether id is worth a connection at this moment.
func (s *served) admits(id allow.ID) bool {
	if s.route.Rules == nil || s.route.Observes() {
		return true
	}
	set := s.guard.rules.set()
	if s.to.kind.word == record.TCP { // rules of other protocols say nothing of it
		_, allowed := set.Decide(id, &allow.Request{Kind: allow.TCP, Listener: s.route.Name})
		return allowed
	}
	return set.Admits(id, s.route.Name)
}

// serve serves one connection from its accept to its end, and then calls done. It may
// return before: what comes after the handshake has a goroutine of its own, because the
// stack of a handshake is several times as large as whoever waits for bytes needs.
func (s *served) serve(c net.Conn, done func()) {
	who := gate.Caller{ID: s.guard.id, Serial: serialText(s.guard.source.Certificate()), Address: addressText(c)}
	if s.tls == nil {
		s.link(c, who, nil, nil, done)
		return
	}
	secure, state, err := s.handshake(c, &who)
	if err != nil {
		c.Close()
		done()
		return
	}
	go s.link(secure, who, state, whyCut(secure), done)
}

// link gives a connection to the gate.
func (s *served) link(c net.Conn, who gate.Caller, state *tls.ConnectionState, why func() (string, bool), done func()) {
	defer done()
	ctx, l := gate.NewLink(s.ctx, s.route, c, who, state, why)
	defer l.End("")
	if !s.guard.links.add(l, s) {
		return
	}
	defer s.guard.links.remove(l)
	s.gate.Serve(ctx, l)
}

// retire ends the route: its connections have the grace to end by themselves, or until
// hurry ends; then they are cut. It returns when all of them are over.
func (s *served) retire(grace <-chan struct{}) {
	close(s.drain)
	done := make(chan struct{})
	go func() { s.conns.Wait(); close(done) }()
	select {
	case <-done:
	case <-grace:
		s.guard.links.cut(s)
	}
	<-done
	s.cancel()
	if c, ok := s.gate.(io.Closer); ok {
		c.Close()
	}
}
