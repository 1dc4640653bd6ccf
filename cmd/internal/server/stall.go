package server

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel may hold for a peer that reads nothing, and for how long. Without
// these bounds it takes megabytes for each of ten thousand streams before a write
// waits, and keeps a peer that is switched off for a quarter of an hour.
const (
	maxUnsent  = 64 << 10         // bytes
	unackAfter = 30 * time.Second // then the connection is gone
)

// patient opens listeners whose connections have those bounds: they inherit them
// (tcp(7), TCP_NOTSENT_LOWAT and TCP_USER_TIMEOUT).
var patient = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = errors.Join(
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackAfter.Milliseconds())))
	})
	return errors.Join(err, failed)
}}
