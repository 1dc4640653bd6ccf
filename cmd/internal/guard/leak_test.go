package guard_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

// However connections end, nothing of them is left, and nothing of a guard that has
// stopped: neither goroutines nor file descriptors.
func TestNoLeak(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	pump, fallen := w.ca.Identity("device/pump-1"), w.ca.Identity("device/pump-2")
	ours := func() int {
		buf := make([]byte, 1<<20)
		n := 0
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "/cmd/internal/guard.") || strings.Contains(stack, "/guard/gate.") {
				n++
			}
		}
		return n
	}
	files := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(all)
	}
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	round := func(n int) {
		var held []net.Conn
		for range n {
			c, target := server.dial("db", pump), app.accept()
			echo(t, c, target)
			c.Close()
			target.Close()
			c, target = server.dial("db", pump), app.accept()
			target.SetLinger(0)
			target.Close()
			ended(t, c)
			c.Close()
			knock, err := net.Dial("tcp", server.Address("db").String())
			require.NoError(t, err)
			knock.Close()
			if refused, err := server.tryDial("db", w.ca.Identity("device/other")); err == nil {
				ended(t, refused)
				refused.Close()
			}
			server.records.fail(errors.New("disk full"))
			c = server.dial("db", pump)
			ended(t, c)
			c.Close()
			server.records.fail(nil)
			if c, err := server.tryDial("db", fallen); err == nil {
				held = append(held, c, app.accept())
			}
		}
		w.ca.Revoke(fallen)
		for _, c := range held {
			ended(t, c)
			c.Close()
		}
	}
	round(1)
	require.Eventually(t, func() bool { return server.Connections() == 0 }, ten, tick)
	runtime.GC()
	goroutines, descriptors := ours(), files()
	fallen = w.ca.Identity("device/pump-3")
	round(10)
	require.Eventually(t, func() bool {
		runtime.GC()
		return server.Connections() == 0 && ours() <= goroutines && files() <= descriptors
	}, ten, tick, "%d goroutines of %d, %d files of %d", ours(), goroutines, files(), descriptors)
	server.records.outcome(record.Cut)
	server.stop()
	require.Zero(t, ours())
}
