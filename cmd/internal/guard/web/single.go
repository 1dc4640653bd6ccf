package web

import (
	"context"
	"net"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// A single is a listener that accepts one connection, and then waits for its end.
type single struct {
	wire  *wire
	ctx   context.Context // of its requests
	route *gate.Route
	drain func()
	given bool // only Accept's caller looks
}

// Accept implements [net.Listener].
func (s *single) Accept() (net.Conn, error) {
	if !s.given {
		s.given = true
		return s.wire, nil
	}
	select {
	case <-s.route.Drain:
	case <-s.wire.closed:
	case <-s.ctx.Done():
	}
	return nil, net.ErrClosed
}

// wait returns when the connection has ended.
func (s *single) wait(ctx context.Context) {
	select {
	case <-s.route.Drain:
		s.drain()
	default:
	}
	if !s.given { // the server is closed already
		s.wire.Close()
	}
	select {
	case <-s.wire.closed:
	case <-ctx.Done():
		s.wire.Close()
	}
}

// Close implements [net.Listener]; net/http calls it when it accepts no more.
func (s *single) Close() error { return nil }

// Addr implements [net.Listener].
func (s *single) Addr() net.Addr { return s.wire.LocalAddr() }
