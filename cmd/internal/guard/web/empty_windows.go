package web

import (
	"errors"
	"net"
	"os"
	"time"
)

// emptiness returns what reports whether a socket is open and has nothing to be read. It
// takes a millisecond: there is no way to look that does not wait.
func emptiness(c net.Conn) func() bool {
	return func() bool {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		defer c.SetReadDeadline(time.Time{})
		n, err := c.Read(make([]byte, 1))
		return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
	}
}
