package web

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A backend holds the connections to a route's target, in both versions of HTTP. They
// are made when they are needed.
type backend struct {
	once     sync.Once
	one, two *http.Transport
}

// A target is a connection to what is behind a route.
type target struct {
	*gate.Target
	bond record.Bond // in client mode
}

// A dialer reaches a target.
type dialer func(ctx context.Context) (*gate.Target, error)

// start makes the pools. one and two dial for HTTP/1.1 and for HTTP/2.
func (b *backend) start(one, two dialer) {
	b.once.Do(func() {
		b.one = transport(one, func(p *http.Protocols) { p.SetHTTP1(true) })
		b.two = transport(two, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }) // TLS, if any, is done by who dials
	})
}

// CloseIdleConnections ends what is not in use.
func (b *backend) CloseIdleConnections() {
	b.once.Do(func() {})
	for _, t := range []*http.Transport{b.one, b.two} {
		if t != nil {
			t.CloseIdleConnections()
		}
	}
}

func transport(dial dialer, version func(*http.Protocols)) *http.Transport {
	protocols := new(http.Protocols)
	version(protocols)
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

// roundTripper returns the pool that a request goes by.
func (g *Gate) roundTripper(p *peer, two bool) http.RoundTripper {
	route, b := p.link.Route, &g.backend
	one := func(ctx context.Context) (*gate.Target, error) { return route.Dial(ctx, nil) }
	if route.Proxied {
		b = &p.pool
		one = p.link.Dial
	}
	other := one
	if route.DialHTTP2 != nil {
		other = func(ctx context.Context) (*gate.Target, error) { return route.DialHTTP2(ctx, nil) }
	}
	b.start(one, other)
	if two {
		return b.two
	}
	return b.one
}
