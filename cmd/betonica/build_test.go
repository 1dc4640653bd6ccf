package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tool builds without C for the smallest machines that there are, and stays
// small there.
func TestBuildsForDevices(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "betonica")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=5")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	info, err := os.Stat(bin)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(12<<20))
	t.Logf("%.1f MB", float64(info.Size())/1e6)
}
