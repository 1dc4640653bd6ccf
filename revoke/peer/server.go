package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"runtime"
	"weak"
)

// errUnfollowed is for those who take GetConfigForClient away.
var errUnfollowed = errors.New("peer: the connection did not come through the GetConfigForClient of Peer.Server")

// Server returns the configuration of a server that demands a client certificate
// and judges it, on each connection. It is TLS 1.3, for HTTP/2 and HTTP/1.1; a
// server of another protocol sets NextProtos.
//
// Connections are followed until they are closed, so that they can be cut, if
// they come from [Peer.Listen], from a TCP or Unix listener, or from a wrapper
// around such a connection that has a NetConn method. Others are refused.
func (p *Peer) Server() *tls.Config {
	base := &tls.Config{
		MinVersion:     tls.VersionTLS13,
		ClientAuth:     tls.RequireAnyClientCert, // whose it is, verify says
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.certificate(), nil },
	}
	base.VerifyConnection = func(tls.ConnectionState) error { return errUnfollowed }
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		met, err := p.tracker(hello.Conn)
		if err != nil {
			return nil, err
		}
		c := base.Clone() // keeps the keys of session tickets
		c.GetConfigForClient = nil
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			return p.verify(context.Background(), cs, x509.ExtKeyUsageClientAuth, "", nil, met)
		}
		return c, nil
	}
	return base
}

// Listen listens for TLS with [Peer.Server].
func (p *Peer) Listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return p.Listener(l), nil
}

// Listener speaks TLS with [Peer.Server] on what inner accepts.
func (p *Peer) Listener(inner net.Listener) net.Listener {
	return tls.NewListener(listener{inner, p}, p.Server())
}

// Follow wraps a connection that was accepted, for whoever does by himself what
// [Peer.Listener] does: give it to [tls.Server] with the configuration of [Peer.Server].
// It can be cut from its handshake on, and [WhyCut] knows of it.
func (p *Peer) Follow(c net.Conn) net.Conn { return &conn{Conn: c, table: &p.live} }

type listener struct {
	net.Listener
	peer *Peer
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.peer.Follow(c), nil
}

// tracker returns what enters the other end of a connection into the table.
func (p *Peer) tracker(c net.Conn) (meet, error) {
	for {
		switch inner := c.(type) {
		case *conn:
			return inner.met, nil
		case *net.TCPConn:
			return follow(&p.live, inner), nil
		case *net.UnixConn:
			return follow(&p.live, inner), nil
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return nil, fmt.Errorf("peer: a connection of type %T cannot be cut when it must be: accept it through Peer.Listener", c)
		}
	}
}

// follow enters connections whose Close nobody tells us of: they leave the table
// when nothing refers to them any more.
func follow[T any, C interface {
	*T
	net.Conn
}](t *table, c C) meet {
	return func(chain []*x509.Certificate, staple []byte) {
		ref := weak.Make((*T)(c))
		e := &entry{chain: chain, staple: staple, id: idText(chain), close: func(error) error {
			if c := ref.Value(); c != nil {
				return C(c).Close()
			}
			return nil
		}}
		t.add(e)
		runtime.AddCleanup((*T)(c), t.remove, e)
	}
}

func idText(chain []*x509.Certificate) string { return chain[0].URIs[0].String() }
