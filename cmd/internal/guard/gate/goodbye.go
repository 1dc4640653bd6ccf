package gate

import (
	"io"
	"net"

	"github.com/betonica/betonica/cmd/internal/record"
)

// errNoGoodbye is what fault says of TLS that ended without close_notify.
var errNoGoodbye = io.ErrUnexpectedEOF

// unsaid reports whether what came over TLS was read to an end that TLS did not say: the
// other end's program is careless, or somebody on the way has cut off what it says. Of a
// connection without TLS it reports false.
func unsaid(c net.Conn) bool {
	for c != nil {
		if below, ok := c.(interface{ EOF() bool }); ok {
			return below.EOF()
		}
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return false
		}
		c = wrapped.NetConn()
	}
	return false
}

// unsaid says which side ended without a goodbye; nil: neither.
func (l *Link) unsaid() error {
	l.mu.Lock()
	target := l.dialled
	l.mu.Unlock()
	switch {
	case unsaid(l.Conn):
		return fault("caller", errNoGoodbye)
	case target != nil && unsaid(target):
		return fault("target", errNoGoodbye)
	}
	return nil
}

// lasting reports whether a record is of what has an end of its own, and not of one
// request or message on the way.
func lasting(k record.Kind) bool { return k == record.Connection || k == record.Association }

// reset breaks a connection off, so that the other end cannot take it for the end of what
// was said. It waits for nobody.
func reset(c net.Conn) {
	for c != nil {
		if plain, ok := c.(*net.TCPConn); ok {
			plain.SetLinger(0)
		}
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = wrapped.NetConn()
	}
	if c != nil {
		c.Close()
	}
}
