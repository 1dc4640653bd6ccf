package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tool as make dist builds it, without C, takes no more than 12 MB of a device's disk;
// of all platforms with Linux, this one has the largest.
func TestBuildsForDevices(t *testing.T) {
	flags, err := exec.Command("../../.dist/gcflags").Output()
	require.NoError(t, err)
	bin := filepath.Join(t.TempDir(), "betonica")
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", bin}, strings.Fields(string(flags))...), ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	info, err := os.Stat(bin)
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(12e6))
	t.Logf("%.2f MB", float64(info.Size())/1e6)
}
