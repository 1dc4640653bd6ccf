package main

import (
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
