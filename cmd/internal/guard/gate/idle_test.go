package gate_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
)

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
	before := gatetest.Heap()
	for range n {
		open()
	}
	require.Eventually(t, func() bool { return gatetest.Heap() < before+n*20<<10 }, 30*time.Second, 50*time.Millisecond, "%d bytes each", (gatetest.Heap()-before)/n)
	for _, p := range all {
		say(p)
	}
}
