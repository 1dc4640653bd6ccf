package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// BenchmarkHSM is BenchmarkEnroll with the intermediate's key in a file, and in
// SoftHSM, which signs in this process: the price of asking, without that of a device.
func BenchmarkHSM(b *testing.B) {
	for _, where := range []string{"file", "softhsm"} {
		var args []string
		if where == "softhsm" {
			args = []string{"--ca-key", softToken(b)}
		}
		d := newBench(b, newCA(b, args...))
		for _, clients := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/clients=%d", where, clients), func(b *testing.B) { d.enroll(b, clients, *certificates) })
		}
		require.NoError(b, d.stop())
	}
}

// softToken makes a token of SoftHSM's for the programs that are started from now on,
// and returns the reference of a key that can be made in it.
func softToken(t testing.TB) string {
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		storetest.LeaveOut(t, "softhsm2 is not installed")
	}
	dir := t.TempDir()
	tokens, pin, conf := filepath.Join(dir, "tokens"), filepath.Join(dir, "pin"), filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.Mkdir(tokens, 0o700))
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+tokens+"\nlog.level = ERROR\n"), 0o600))
	require.NoError(t, os.WriteFile(pin, []byte("87654321\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "ca", "--so-pin", "87654321", "--pin", "87654321").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return "pkcs11:module-path=/usr/lib/softhsm/libsofthsm2.so;token=ca;object=issuing?pin-source=file:" + pin
}
