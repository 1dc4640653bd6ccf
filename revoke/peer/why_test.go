package peer_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// Whoever holds a connection that was cut learns why, on both ends: a revocation, or a
// certificate that ran out. One that its owner closed was not cut, whatever comes later.
func TestWhyCut(t *testing.T) {
	ca := peertest.New(t)
	var ahead atomic.Int64
	gateway := openAt(t, ca.Identity("device/gw"), func(c *peer.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	pump, other := openAt(t, ca.Identity("device/pump-1")), openAt(t, ca.Identity("device/pump-2"))
	l, err := gateway.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	connect := func(m *machine) (theirs, ours net.Conn) {
		accepted := make(chan net.Conn, 1)
		go func() {
			if c, err := l.Accept(); err == nil {
				c.Read(make([]byte, 1))
				accepted <- c
			}
		}()
		theirs, err := m.Dial(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		_, err = theirs.Write([]byte{1})
		require.NoError(t, err)
		return theirs, <-accepted
	}

	_, ours := connect(pump)
	_, closed := connect(pump)
	closed.Close()
	require.NoError(t, peer.WhyCut(ours))
	ca.Revoke(pump.who)
	_, err = ours.Read(make([]byte, 1))
	require.Error(t, err)
	require.ErrorIs(t, peer.WhyCut(ours), peer.ErrRevoked)
	require.NoError(t, peer.WhyCut(closed))

	theirs, ours := connect(other)
	ahead.Store(int64(40 * 24 * time.Hour)) // beyond what a certificate of this CA lives
	_, err = ours.Read(make([]byte, 1))
	require.Error(t, err)
	require.ErrorIs(t, peer.WhyCut(ours), peer.ErrExpired)
	ahead.Store(0)
	theirs.Close()

	theirs, _ = connect(other)
	ca.Revoke(gateway.who)
	_, err = theirs.Read(make([]byte, 1))
	require.Error(t, err)
	require.ErrorIs(t, peer.WhyCut(theirs), peer.ErrRevoked)
}

// A connection that is for somebody in particular reaches nobody else, though Allow
// names him.
func TestDialExpecting(t *testing.T) {
	ca := peertest.New(t)
	gateway, pump := openAt(t, ca.Identity("device/gw")), openAt(t, ca.Identity("device/pump-1"))
	address := echo(t, must(gateway.Listen("tcp", "127.0.0.1:0")))
	him, err := allow.ParsePeers(gateway.who.ID())
	require.NoError(t, err)
	another, err := allow.ParsePeers("spiffe://test.example/device/gw-2")
	require.NoError(t, err)

	c, err := pump.DialExpecting(t.Context(), "tcp", address, peer.Expectation{Allow: him, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	require.Equal(t, "h2", c.ConnectionState().NegotiatedProtocol)
	c.Close()
	for _, wrong := range []peer.Expectation{{}, {Allow: another}} {
		_, err = pump.DialExpecting(t.Context(), "tcp", address, wrong)
		require.ErrorIs(t, err, peer.ErrNotAllowed)
	}
	_, err = pump.DialExpecting(t.Context(), "tcp", address, peer.Expectation{Allow: him, Name: "elsewhere.example"})
	require.ErrorContains(t, err, "elsewhere.example")
	c, err = pump.DialExpecting(t.Context(), "tcp", address, peer.Expectation{Allow: him, Name: "elsewhere.example", IDOnly: true})
	require.NoError(t, err)
	c.Close()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
