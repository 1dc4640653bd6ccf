package main_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// rotateArgs have the CA in dir make its next intermediate, which issues at once.
func rotateArgs(dir string) []string {
	return []string{"rotate", "--dir", dir, "--root-key", dir + ".root/root.key", "--overlap", "0s"}
}

// intermediates returns how many the roster of the CA names, all of which open.
func intermediates(t *testing.T, dir string) int {
	t.Helper()
	run(t, "betonicad", "audit", "verify", "--dir", dir) // opens every key
	text, err := os.ReadFile(filepath.Join(dir, "keys", "issuers.json"))
	if os.IsNotExist(err) {
		return 1
	}
	require.NoError(t, err)
	var roster struct{ Intermediates []any }
	require.NoError(t, json.Unmarshal(text, &roster))
	return len(roster.Intermediates)
}

// copyCA returns a copy of a CA that does not run, with its root and passphrase.
func copyCA(t *testing.T, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "ca")
	for _, suffix := range []string{"", ".root", ".passphrase"} {
		out, err := exec.Command("cp", "-a", dir+suffix, other+suffix).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return other
}

// A rotation is there once its last file is, and not before: with any number of its
// files written, the CA is that of before, works, and can be rotated anew.
func TestRotateHalfWritten(t *testing.T) {
	t.Parallel()
	old := newCA(t)
	whole := copyCA(t, old)
	id := string(bytes.TrimSpace([]byte(run(t, "betonicad", rotateArgs(whole)...))))
	written := []string{"intermediate-" + id[:8] + ".key", "intermediate-" + id[:8] + ".pem", "root-ocsp.pem", "root.crl", "issuers.json"}
	var last time.Time
	for _, name := range written { // in this order
		info, err := os.Stat(filepath.Join(whole, "keys", name))
		require.NoError(t, err)
		require.False(t, info.ModTime().Before(last), name)
		last = info.ModTime()
	}
	for n := range len(written) + 1 {
		dir := copyCA(t, old)
		for _, name := range written[:n] {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "keys", name), read(t, filepath.Join(whole, "keys", name)), 0o600))
		}
		if n < len(written) {
			require.Equal(t, 1, intermediates(t, dir))
			run(t, "betonicad", rotateArgs(dir)...)
			left, err := filepath.Glob(filepath.Join(dir, "keys", "intermediate-*"))
			require.NoError(t, err)
			require.Len(t, left, 2, "what was left behind is gone")
		}
		require.Equal(t, 2, intermediates(t, dir))
	}
	d := serve(t, whole)
	s, err := d.admin(t).Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, s.Issuer.KeyID)
}

// The same, killed by force wherever it is.
func TestRotateKilled(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	have, begin := 1, time.Now()
	run(t, "betonicad", rotateArgs(copyCA(t, dir))...)
	takes := time.Since(begin)
	for range 10 {
		cmd, err := command("betonicad", rotateArgs(dir)...)
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(rand.N(takes), func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		now := intermediates(t, dir)
		require.True(t, now == have || now == have+1, "%d, and then %d", have, now)
		have = now
	}
	d := serve(t, dir)
	s, err := d.admin(t).Status(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Issuers, have)
}

// A CA of before, which has the key of the root's responder in a file of its own,
// goes on; its next ceremony brings it up to date.
func TestRotateOldCA(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	responder, key := filepath.Join(dir, "keys", "root-ocsp.pem"), filepath.Join(dir, "keys", "root-ocsp.key")
	cert, rest := pem.Decode(read(t, responder))
	sealed, _ := pem.Decode(rest)
	require.NoError(t, os.WriteFile(responder, pem.EncodeToMemory(cert), 0o600))
	require.NoError(t, os.WriteFile(key, sealed.Bytes, 0o600))
	require.NoError(t, serve(t, dir).stop())
	run(t, "betonicad", rotateArgs(dir)...)
	require.NoFileExists(t, key)
	s, err := serve(t, dir).admin(t).Status(t.Context())
	require.NoError(t, err)
	require.True(t, s.Ready)
	require.Equal(t, []string{"answers", "issues"}, []string{s.Issuers[0].State, s.Issuers[1].State})
	require.Equal(t, &adminapi.Rotation{
		State: "done", From: s.Issuers[0].KeyID, To: s.Issuers[1].KeyID,
		Begins: s.Rotation.Begins, Since: s.Rotation.Since, Ends: s.Rotation.Ends,
	}, s.Rotation)
}
