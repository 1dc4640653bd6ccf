package syslog

import (
	"net"

	"golang.org/x/sys/unix"
)

// established is a connection's state that nobody has ended (TCP_ESTABLISHED of
// linux/tcp_states.h).
const established = 1

// queueOf returns how many bytes the receiver's kernel has yet to acknowledge, and whether
// both sides still hold the connection.
func queueOf(tcp *net.TCPConn) (unacknowledged int, open bool) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) { // which is not called for a closed one
		n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if err != nil {
			return
		}
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			unacknowledged, open = n, info.State == established
		}
	})
	return unacknowledged, open
}
