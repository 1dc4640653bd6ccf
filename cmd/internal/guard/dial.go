package guard

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
)

// dialWithin bounds how long a target may take to be there, TLS included.
const dialWithin = 10 * time.Second

var errNobody = errors.New("a connection that begins with a PROXY header is for one caller alone")

// backend returns what dials an application of this machine.
func (g *Guard) backend(conf Route, to target) func(context.Context, *gate.Link) (*gate.Target, error) {
	return func(ctx context.Context, l *gate.Link) (*gate.Target, error) {
		if conf.ProxyProtocol && l == nil {
			return nil, errNobody
		}
		dialer := net.Dialer{Timeout: dialWithin}
		c, err := dialer.DialContext(ctx, to.network, to.address)
		if err != nil {
			return nil, err
		}
		if conf.ProxyProtocol {
			return &gate.Target{Conn: gate.Lead(c, proxyHeader(l))}, nil
		}
		return &gate.Target{Conn: c}, nil
	}
}

// reach makes a route's target another machine, by mutual TLS. Of HTTP the version is
// chosen before: a request goes on in the one that it came in.
func (g *Guard) reach(r *gate.Route, conf Route, to target) error {
	expected, err := allow.ParsePeers(conf.Expect...)
	if err != nil {
		return err
	}
	dial := func(alpn ...string) func(context.Context, *gate.Link) (*gate.Target, error) {
		who := peer.Expectation{Allow: expected, Name: conf.ServerName, IDOnly: conf.IDOnly, NextProtos: alpn, MinVersion: versions[conf.MinVersion], CipherSuites: suites}
		return func(ctx context.Context, l *gate.Link) (*gate.Target, error) {
			t, err := g.dialPeer(ctx, to.address, who)
			if err == nil && l != nil {
				l.Met(t.ID)
			}
			return t, err
		}
	}
	if to.scheme != "https" {
		r.Dial = dial()
		return nil
	}
	r.Dial, r.DialHTTP2 = dial("http/1.1"), dial("h2")
	return nil
}

func (g *Guard) dialPeer(ctx context.Context, address string, who peer.Expectation) (*gate.Target, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	c, err := g.peer.DialExpecting(ctx, "tcp", address, who)
	if err != nil {
		return nil, err
	}
	state := c.ConnectionState()
	id, err := allow.IDOf(state.PeerCertificates[0])
	if err != nil { // it was read before
		c.Close()
		return nil, err
	}
	return &gate.Target{Conn: c, ID: id, TLS: &state, Why: whyCut(c)}, nil
}

// whyCut tells in the words of records why revocation closed a connection.
func whyCut(c net.Conn) func() (reason string, cut bool) {
	return func() (string, bool) {
		switch err := peer.WhyCut(c); {
		case err == nil:
			return "", false
		case errors.Is(err, peer.ErrRevoked):
			return gate.Revoked, true
		case errors.Is(err, peer.ErrExpired):
			return gate.Expired, true
		case errors.Is(err, peer.ErrUnknown):
			return gate.Unknown, true
		default:
			return gate.Draining, true // the Peer was closed
		}
	}
}
