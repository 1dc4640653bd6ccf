package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the longest path that fits into a sockaddr_un, with the zero
// that ends it.
const maxSocketPath = 107

// listenUnix listens on path, readable and writable for its owner only. The
// connections' remote address is the peer's uid, "uid:0".
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s is longer than the %d bytes that a Unix socket's path may have: set socket in [server]", path, maxSocketPath)
	}
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	// The daemon's umask has kept others out since the socket exists; this also
	// takes away what is not needed of a socket, its x bit.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return peerListener{l}, nil
}

// removeSocket removes what a daemon that was killed left behind, and nothing
// that is not a socket.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	return os.Remove(path)
}

// peerListener asks the kernel who has connected.
type peerListener struct{ *net.UnixListener }

func (l peerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err != nil {
			c.Close() // gone already
			continue
		}
		return peerConn{c, uid}, nil
	}
}

// peerUID is the effective uid of the process that connected, at the time it
// did (unix(7), SO_PEERCRED).
func peerUID(c *net.UnixConn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}

// peerConn carries its peer's uid where net/http hands it on, in
// Request.RemoteAddr.
type peerConn struct {
	*net.UnixConn
	uid uint32
}

func (c peerConn) RemoteAddr() net.Addr { return peerAddr(c.uid) }

type peerAddr uint32

func (peerAddr) Network() string  { return "unix" }
func (a peerAddr) String() string { return "uid:" + strconv.FormatUint(uint64(a), 10) }
