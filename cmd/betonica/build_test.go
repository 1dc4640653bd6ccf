package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tool builds without C for the smallest machines that there are and for those that
// most have, and takes no more than 13 MB of their disks.
func TestBuildsForDevices(t *testing.T) {
	for _, arch := range []string{"arm", "amd64"} {
		bin := filepath.Join(t.TempDir(), "betonica")
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOARM=5")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		info, err := os.Stat(bin)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(13e6), arch)
		t.Logf("%s: %.2f MB", arch, float64(info.Size())/1e6)
	}
}
