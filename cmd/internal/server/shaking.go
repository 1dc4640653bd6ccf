package server

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
)

// A line lets some handshakes compute at a time; who comes first is next.
type line struct {
	taken   chan struct{}
	waiting atomic.Int64
}

// newLine allows one for each processor that the program may use.
func newLine() *line { return &line{taken: make(chan struct{}, runtime.GOMAXPROCS(0))} }

func (l *line) take(ctx context.Context) error {
	select {
	case l.taken <- struct{}{}:
		return nil
	default:
	}
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	select {
	case l.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *line) giveBack() { <-l.taken }

// shaking is a connection during its handshake, which has a turn whenever it does not
// wait for its peer. It is used by one goroutine until over, and by any afterwards.
type shaking struct {
	net.Conn
	line   *line
	ctx    context.Context
	has    bool
	isOver bool
}

func (s *shaking) Read(p []byte) (int, error) {
	if s.isOver {
		return s.Conn.Read(p)
	}
	s.leave()
	n, err := s.Conn.Read(p)
	if err != nil {
		return n, err
	}
	if err := s.line.take(s.ctx); err != nil {
		return 0, err
	}
	s.has = true
	return n, nil
}

func (s *shaking) leave() {
	if s.has {
		s.has = false
		s.line.giveBack()
	}
}

// over ends the handshake. What is read afterwards takes no turn.
func (s *shaking) over() {
	s.leave()
	s.isOver, s.ctx = true, nil
}
