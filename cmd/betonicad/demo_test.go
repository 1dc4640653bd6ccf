package main_test

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The demo sees all that it should, says so in a line a step, and leaves nothing
// behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, err := command("betonicad", "demo")
	require.NoError(t, err)
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, &stderr)
	require.Empty(t, stderr.String())

	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	steps := []string{
		`^ 1  the CA is up +https://127\.0\.0\.1:\d+, made and ready in `,
		`^ 2  two pumps and a gateway enrol +in .*; certificates for 7 d and 24 h$`,
		`^ 3  an mTLS call answers 200 +pump-1 to gw-1 in .*, over TLS 1\.3 with X25519MLKEM768$`,
		`^ 4  certificates renew under load +3 renewed in .*; \d\d+ calls .*, 0 dropped$`,
		`^ 5  one pump is revoked +pump-2, in .*: 2 certificates and 1 unspent token fell$`,
		`^ 6  its open connection is cut +\d+ ms after the command$`,
		`^ 7  its resumed TLS session is refused +before: resumed, 200; now: resumed, refused`,
		`^ 8  its renewal and re-enrolment, too +renewal 40\d, the unspent token 40\d, a new token 409$`,
		`^ 9  the CA stops, and peers fail closed +pump-1 went on for .*, \d+ calls; past max_age \(3s\) gw-1 refused$`,
		`^10  the audit log shows one edited row +\d+ entries verified; after one UPDATE: audit log broken at entry \d+: edited$`,
	}
	require.Len(t, lines, len(steps)+1, "%s", out)
	for i, step := range steps {
		require.Regexp(t, step, lines[i])
	}
	require.Equal(t, "demo: 10 of 10 steps as expected", lines[len(steps)])
	requireEmpty(t, dir)
}

// A demo that is interrupted ends what it has started, and says that it failed.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, err := command("betonicad", "demo")
	require.NoError(t, err)
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for range 3 {
		require.True(t, lines.Scan())
	}
	children := childrenOf(cmd.Process.Pid)
	t.Cleanup(func() {
		for _, pid := range children {
			if t.Failed() {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	require.Len(t, children, 4, "the CA and three machines")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	for lines.Scan() {
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	for _, pid := range children {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
	requireEmpty(t, dir)
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
