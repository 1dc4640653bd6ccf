package gate

import (
	"errors"
	"net"
	"sync/atomic"
)

// A conn is the caller's side of a link: it counts what is read and written, above TLS,
// so that the guard sees whether anything moves.
type conn struct {
	net.Conn
	in, out atomic.Int64 // bytes from the caller, and to it
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.out.Add(int64(n))
	return n, err
}

// CloseWrite says that nothing more will be written, which TCP, TLS and Unix sockets
// can say without an end to what is read.
func (c *conn) CloseWrite() error { return CloseWrite(c.Conn) }

// NetConn returns what is wrapped.
func (c *conn) NetConn() net.Conn { return c.Conn }

var errNoHalf = errors.New("gate: this kind of connection ends both ways at once")

// CloseWrite ends one direction of a connection, and leaves the other open.
func CloseWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errNoHalf
}
