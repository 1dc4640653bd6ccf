package heap_test

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/heap"
)

const mib = 1 << 20

var guard = heap.Tuning{Headroom: 32 * mib, Least: 20}

// Between two collections there is as much garbage as the headroom, however little lives;
// where much does, the least percentage of that.
func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 800}, {mib, 800}, {4 * mib, 800}, {8 * mib, 400}, {32 * mib, 100}, {64 * mib, 50}, {160 * mib, 20}, {400 * mib, 20},
	} {
		require.Equal(t, tt.want, guard.Percent(tt.live), "%d MiB", tt.live/mib)
	}
}

// percent is what the collector goes by.
func percent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

// Whoever says by GOGC when garbage is collected has the say.
func TestStartUnlessGOGC(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "70")
	guard.Start()()
	require.Equal(t, 100, percent())
	t.Setenv("GOGC", "")
	guard.Start()()
	require.Equal(t, 800, percent())
}

// The percentage follows what lives, up and down.
func TestFollow(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "")
	synctest.Test(t, func(t *testing.T) {
		defer guard.Start()()
		much := make([]byte, 64*mib)
		runtime.GC()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.LessOrEqual(t, percent(), 50)
		runtime.KeepAlive(much)
		much = nil
		runtime.GC()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Greater(t, percent(), 200)
	})
}
