package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A backend holds the connections to a route's target, in both versions of HTTP. They
// are made when they are needed.
type backend struct {
	one *pool
	two *http.Transport
}

// A target is a connection to what is behind a route.
type target struct {
	*gate.Target
	bond record.Bond // in client mode
}

// A dialer reaches a target.
type dialer func(ctx context.Context) (*gate.Target, error)

// newBackend makes the pools. one and two dial for HTTP/1.1 and for HTTP/2.
func newBackend(one, two dialer) backend {
	return backend{&pool{dial: one}, transport(two)}
}

// CloseIdleConnections ends what is not in use.
func (b backend) CloseIdleConnections() {
	if b.one != nil {
		b.one.close()
		b.two.CloseIdleConnections()
	}
}

func transport(dial dialer) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true) // TLS, if any, is done by who dials
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			t, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return bound(t), nil
		},
		Protocols:              protocols,
		DisableCompression:     true, // bodies pass as they are
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
	}
}

// bound finds what a connection to another guard shares with it.
func bound(t *gate.Target) *target {
	if t.TLS != nil {
		if b, err := record.Binding(*t.TLS); err == nil {
			return &target{t, b}
		}
	}
	return &target{t, record.Unbound()}
}

// pool returns the connections that a request goes by in HTTP/1.1.
func (g *Gate) pool(p *peer, by *tls.Certificate) *pool { return g.backend(p, by).one }

// transport returns those of HTTP/2.
func (g *Gate) transport(p *peer, by *tls.Certificate) *http.Transport { return g.backend(p, by).two }

// backend returns the connections for a request. by is who signs it, or nil: its
// connection must have been made with that certificate, which the other guard compares.
func (g *Gate) backend(p *peer, by *tls.Certificate) backend {
	g.pools.Lock()
	defer g.pools.Unlock()
	b, route := &g.pools.backend, p.link.Route
	if route.Proxied {
		b = &p.pool
	}
	if b.one == nil || by != nil && !same(by, g.pools.of) {
		one := dialer(func(ctx context.Context) (*gate.Target, error) { return route.Dial(ctx, nil) })
		if route.Proxied {
			one = p.link.Dial
		}
		other := one
		if route.DialHTTP2 != nil {
			other = func(ctx context.Context) (*gate.Target, error) { return route.DialHTTP2(ctx, nil) }
		}
		b.CloseIdleConnections() // what is under way goes on
		*b, g.pools.of = newBackend(one, other), by
	}
	return *b
}

func same(a, b *tls.Certificate) bool {
	return b != nil && bytes.Equal(a.Certificate[0], b.Certificate[0])
}
