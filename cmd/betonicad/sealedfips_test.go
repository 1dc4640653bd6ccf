package main_test

import (
	"path/filepath"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// In FIPS 140-3 mode no backup is sealed to a key for X25519 alone, and where the mode is
// enforced none is by age.
func TestSealedFIPS(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	old, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	hybrid, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	for _, c := range []struct{ name, mode, recipient, refusal string }{
		{"off", "off", old.Recipient().String(), ""},
		{"on", "on", old.Recipient().String(), "age1pq"},
		{"on-pq", "on", hybrid.Recipient().String(), ""},
		{"only-pq", "only", hybrid.Recipient().String(), "nothing that age does is approved"},
	} {
		cmd, err := command("betonicad", "backup", "--dir", dir, "--out", filepath.Join(t.TempDir(), c.name), "--recipient", c.recipient)
		require.NoError(t, err)
		cmd.Env = append(cmd.Env, "GODEBUG=fips140="+c.mode)
		out, err := cmd.CombinedOutput()
		if c.refusal == "" {
			require.NoError(t, err, "%s: %s", c.name, out)
			continue
		}
		require.Error(t, err, "%s: %s", c.name, out)
		require.Equal(t, 2, cmd.ProcessState.ExitCode(), "%s: %s", c.name, out)
		require.Contains(t, string(out), c.refusal, c.name)
	}
}
