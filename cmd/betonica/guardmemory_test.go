package main

import (
	"context"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
)

// A guard keeps its garbage to what its connections need, from its start on, unless whoever
// starts it has said something else.
func TestGuardMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	start := func() int64 {
		debug.SetMemoryLimit(before)
		dir := filepath.Join(t.TempDir(), "nobody") // so it ends at once
		r := newTool(t).run("guard", "server", "--dir", dir, "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1", "--max-connections", "100")
		require.NotZero(t, r.code)
		return debug.SetMemoryLimit(-1)
	}
	t.Setenv("GOMEMLIMIT", "")
	require.Equal(t, guard.Config{MaxConnections: 100}.Memory(), start())
	t.Setenv("GOMEMLIMIT", "1GiB")
	require.Equal(t, before, start())
}

// Between two collections there are about 32 MiB of garbage, however little lives; where
// much does, a fifth of that.
func TestCollectAt(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 800}, {mib, 800}, {4 * mib, 800}, {8 * mib, 400}, {32 * mib, 100}, {64 * mib, 50}, {160 * mib, 20}, {400 * mib, 20},
	} {
		require.Equal(t, tt.want, collectAt(tt.live), "%d MiB", tt.live/mib)
	}
}

// Whoever says by GOGC when garbage is collected has the say.
func TestTuneHeap(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	now := func() int {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent
	}
	t.Setenv("GOGC", "70")
	tuneHeap(ended)
	require.Equal(t, 100, now())
	t.Setenv("GOGC", "")
	tuneHeap(ended)
	require.Equal(t, 800, now())
}
