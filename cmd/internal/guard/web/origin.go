package web

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// An origin is a connection to a target of HTTP/1.1. It is used by whoever serves a
// request, and belongs to nobody's goroutine in between.
type origin struct {
	*target
	in     *h1.Reader
	quiet  func() bool // see quietly
	used   bool        // it had a request before
	rested time.Time   // since when it has none
}

const originBuffer = 16 << 10

func newOrigin(t *target) *origin {
	o := &origin{target: t, in: h1.NewReader(t, originBuffer)}
	o.quiet = o.quietly()
	return o
}

// abort ends the connection without waiting for anybody.
func (o *origin) abort() {
	drop(o.Conn)
	o.Close() // what is kept of it above
}

// quietly returns what reports whether the connection is open, and nobody has said anything
// on it that no request asked for: that would be taken for the answer to the next one. It
// can still end a moment later.
func (o *origin) quietly() func() bool {
	var secure *tls.Conn
	c := o.Conn
	for {
		if s, ok := c.(*tls.Conn); ok {
			secure = s
		}
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = wrapped.NetConn()
	}
	empty := emptiness(c)
	return func() bool { return o.in.Buffered() == 0 && (secure == nil || silent(secure)) && empty() }
}

// silent reports whether a connection of TLS has read nothing that nobody has taken. What
// has not been read it does not look at.
func silent(c *tls.Conn) bool {
	c.SetReadDeadline(past)
	defer c.SetReadDeadline(time.Time{})
	n, err := c.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}
