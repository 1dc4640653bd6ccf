package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/storetest"
)

// The tool that a machine runs works on a processor of 2002: built for ARMv6, and run by
// an emulator of one, it enrols, finds its certificate good, and renews.
func TestOldMachine(t *testing.T) {
	t.Parallel()
	emulator, err := exec.LookPath("qemu-arm-static")
	if err != nil {
		storetest.LeaveOut(t, "qemu-arm-static is not installed (qemu-user-static)")
	}
	dir := t.TempDir()
	betonica := filepath.Join(dir, "betonica")
	small, err := toolFlags()
	require.NoError(t, err)
	build := exec.Command("go", append(append([]string{"build"}, small...), "-o", betonica, "../betonica")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	d := serve(t, newCA(t))
	token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "pump-1"})
	require.NoError(t, err)
	tokenFile := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(token.Secret), 0o600))
	machine := func(args ...string) string {
		out, err := exec.Command(emulator, append([]string{"-cpu", "arm1176", betonica}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	held := filepath.Join(dir, "pump-1")
	require.Contains(t, machine("enroll", "--url", "https://"+d.HTTPS, "--token-file", tokenFile, "--out", held), "device/pump-1")
	before, err := os.Readlink(filepath.Join(held, "current"))
	require.NoError(t, err)
	machine("renew", "--dir", held)
	after, err := os.Readlink(filepath.Join(held, "current"))
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	out, err = exec.Command("openssl", "verify", "-CAfile", filepath.Join(held, "current", "roots.pem"), "-untrusted", filepath.Join(held, "current", "chain.pem"), filepath.Join(held, "current", "cert.pem")).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
