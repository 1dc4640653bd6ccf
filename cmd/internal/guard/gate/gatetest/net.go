package gatetest

import (
	"context"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// Dialer is for a route whose target listens at a TCP address.
func Dialer(address string) func(context.Context, *gate.Link) (*gate.Target, error) {
	return func(ctx context.Context, _ *gate.Link) (*gate.Target, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return &gate.Target{Conn: c}, nil
	}
}

// Listen listens on the loopback until the test ends.
func Listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// Connect returns the two ends of a connection; the caller's is closed when the test ends.
func Connect(t testing.TB) (caller, served *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	require.NoError(t, err)
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

// Heap is what lives, in bytes.
func Heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
