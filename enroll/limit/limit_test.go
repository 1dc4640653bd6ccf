package limit

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A window's memory is bounded, whoever fills it.
func TestWindowIsBounded(t *testing.T) {
	w := NewWindow[int](1, time.Hour)
	now := time.Now()
	for i := range 3 * maxKeys {
		require.Zero(t, w.Count(i, now))
	}
	require.Len(t, w.open, maxKeys)
	require.Zero(t, w.Count(-1, now))
	require.Equal(t, time.Hour, w.Count(-1, now))
	require.Zero(t, w.Count(-1, now.Add(time.Hour)), "a new span")
	require.Zero(t, w.Count(-1, now.Add(-time.Hour)), "the clock was set back")
}

// Full says beforehand what Count would say, and counts nothing.
func TestFull(t *testing.T) {
	w := NewWindow[string](2, time.Hour)
	now := time.Now()
	for range 2 {
		require.Zero(t, w.Full("a", now))
		require.Zero(t, w.Full("a", now))
		require.Zero(t, w.Count("a", now))
	}
	require.Equal(t, time.Hour, w.Full("a", now))
	require.Zero(t, w.Full("b", now))
	require.Zero(t, w.Full("a", now.Add(time.Hour)))
}

// All addresses that one machine can have are one source.
func TestSource(t *testing.T) {
	source := func(s string) netip.Prefix { return Source(netip.MustParseAddr(s)) }
	require.Equal(t, source("192.0.2.1"), source("::ffff:192.0.2.1"))
	require.NotEqual(t, source("192.0.2.1"), source("192.0.2.2"))
	require.Equal(t, source("2001:db8::1"), source("2001:db8::ffff%eth0"))
	require.NotEqual(t, source("2001:db8::1"), source("2001:db8:0:1::1"))
}
