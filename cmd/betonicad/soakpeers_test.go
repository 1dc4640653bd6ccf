package main_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/peer"
)

// A gateway is a peer with a listener, that keeps its state over restarts.
type gateway struct {
	s       *soak
	own     still
	state   string
	relays  bool
	relayed bool
	peer    atomic.Pointer[peer.Peer]
	l       net.Listener
	address atomic.Value
	going   sync.WaitGroup
}

func (g *gateway) open() {
	c := peer.Config{
		Source: g.own, State: g.state, URL: "http://" + g.s.d.HTTP, Report: "https://" + g.s.d.HTTPS, Heartbeat: time.Second, Staple: true,
		Allow: []string{"spiffe://test.example/device/pump-*"}, Log: slog.New(slog.DiscardHandler),
	}
	if g.relayed {
		c.Relays = []string{g.s.relay.URL}
	}
	p, err := peer.Open(context.Background(), c)
	require.NoError(g.s.t, err)
	if g.relays {
		h := p.Relay()
		g.s.relayed.Store(&h)
	}
	g.l, err = p.Listen("tcp", "127.0.0.1:0")
	require.NoError(g.s.t, err)
	g.peer.Store(p)
	g.address.Store(g.l.Addr().String())
	g.going.Go(func() {
		for {
			c, err := g.l.Accept()
			if err != nil {
				return
			}
			g.going.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
}

func (g *gateway) close() {
	g.l.Close()
	require.NoError(g.s.t, g.peer.Load().Close())
	g.going.Wait()
}

// A pump goes on connecting, whether it is revoked or not.
type pump struct {
	name string
	cert *tls.Certificate
	fell atomic.Int64 // CRL number; 0: it is good
}

func (p *pump) connect(address string) (net.Conn, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*p.cert}})
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = c.Write([]byte("x")); err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return c, nil
}

// start has a pump connect to one gateway after the other, until some time after
// it was revoked. One that a gateway lets in though its list names it fails the
// test.
func (s *soak) start(ctx context.Context, p *pump) {
	gateways := s.gateways
	s.pumping.Go(func() {
		refused := 0
		for ctx.Err() == nil && refused < 20 {
			g := gateways[rand.N(len(gateways))]
			address, fell, number := g.address.Load().(string), p.fell.Load(), g.peer.Load().Number()
			c, err := p.connect(address)
			if err != nil {
				if fell > 0 {
					refused++
				}
				pause(ctx, 100*time.Millisecond)
				continue
			}
			if fell > 0 && number >= fell {
				s.t.Errorf("%s was let in, though list %d named it and %d was in force", p.name, fell, number)
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			for began := time.Now(); err == nil || isTimeout(err); { // until it is cut
				if p.fell.Load() > 0 && time.Since(began) > patience {
					s.t.Errorf("%s was revoked, and its connection lived on", p.name)
					break
				}
				c.SetReadDeadline(time.Now().Add(time.Second))
				_, err = c.Read(make([]byte, 1))
				if p.fell.Load() == 0 {
					began = time.Now()
				}
			}
			stop()
			c.Close()
		}
	})
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
