package web

import (
	"net"
	"sync"
)

// preface is what HTTP/2 begins with (RFC 9113, Section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// A wire is a caller's connection. It may be closed again, and whoever waits for its end
// is told.
type wire struct {
	net.Conn
	lead      []byte // what was read of it to see which protocol it is
	closed    chan struct{}
	closeOnce sync.Once
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, closed: make(chan struct{})} }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if len(w.lead) > 0 {
		n := copy(p, w.lead)
		w.lead = w.lead[n:]
		return n, nil
	}
	return w.Conn.Read(p)
}

// NetConn returns what is wrapped.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Close closes the connection. It may be called again.
func (w *wire) Close() error {
	err := net.ErrClosed
	w.closeOnce.Do(func() {
		err = w.Conn.Close()
		close(w.closed)
	})
	return err
}
