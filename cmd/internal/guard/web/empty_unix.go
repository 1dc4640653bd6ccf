//go:build unix

package web

import (
	"net"
	"syscall"
)

// emptiness returns what reports whether a socket is open and has nothing to be read.
func emptiness(c net.Conn) func() bool {
	never := func() bool { return false }
	socket, ok := c.(syscall.Conn)
	if !ok {
		return never
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return never
	}
	var b [1]byte
	waits := false
	peek := func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		waits = err == syscall.EAGAIN
		return true
	}
	return func() bool {
		waits = false
		return raw.Read(peek) == nil && waits
	}
}
