package gate_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heap is what lives, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A connection over which much came, and nothing more for a while, costs no more than one
// that never said anything: a database's, that waits for the next question. It goes on
// where it was.
func TestTCPIdleMemory(t *testing.T) {
	w := newWorld(t)
	type pair struct{ caller, target *net.TCPConn }
	var all []pair
	const n, much = 100, 5000
	say := func(p pair) {
		for _, way := range [][2]*net.TCPConn{{p.caller, p.target}, {p.target, p.caller}} {
			_, err := way[0].Write(make([]byte, much))
			require.NoError(t, err)
			_, err = io.CopyN(io.Discard, way[1], much)
			require.NoError(t, err)
		}
	}
	open := func() {
		p := pair{w.serve(t), w.accept(t)}
		say(p)
		all = append(all, p)
	}
	open()
	before := heap()
	for range n {
		open()
	}
	require.Eventually(t, func() bool { return heap() < before+n*20<<10 }, 30*time.Second, 50*time.Millisecond, "%d bytes each", (heap()-before)/n)
	for _, p := range all {
		say(p)
	}
}
