package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/audit"
)

// export returns an export of a real log with a few entries, and the log's key.
func export(t *testing.T) (bundle []byte, key string) {
	ca := enrolltest.New(t)
	for _, name := range []string{"SN-1", "SN-2", "SN-3"} {
		ca.Token(enroll.TokenRequest{Role: "device", Name: name})
	}
	signed, err := ca.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	key, err = ca.Store.VerifierKey()
	require.NoError(t, err)
	keyring, err := ca.Store.Keyring(t.Context())
	require.NoError(t, err)
	source, err := ca.Store.AuditSource(t.Context())
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, audit.Export(t.Context(), &out, source, audit.ExportOptions{
		To: signed.Size, VerifierKey: key, Keyring: keyring, Checkpoint: signed.Note,
	}))
	return out.Bytes(), key
}

// An export verifies anywhere: by the key that is given, by the one that a
// machine has seen, or by its own word, which is said; one that was edited, or is
// of another log, does not, and what was done to it is on stdout.
func TestAuditVerify(t *testing.T) {
	bundle, key := export(t)
	x, dir := newTool(t), t.TempDir()
	file := filepath.Join(dir, "bundle")
	require.NoError(t, os.WriteFile(file, bundle, 0o600))
	require.Contains(t, x.ok("audit", "verify", file, "--key", key), "verified ")
	require.NotContains(t, x.ok("audit", "verify", file, "--key", key), "own word")
	require.Contains(t, x.ok("audit", "verify", file), "own word")
	x.stdin = string(bundle)
	require.Contains(t, x.ok("audit", "verify", "-"), "verified ")

	require.Equal(t, exitFailed, x.run("audit", "verify", file, "--dir", dir).code) // it has seen no log
	require.NoError(t, os.Mkdir(filepath.Join(dir, "log"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "log", "key"), []byte(key+"\n"), 0o600))
	var got reading
	require.NoError(t, json.Unmarshal([]byte(x.ok("audit", "verify", file, "--dir", dir, "-o", "json")), &got))
	require.True(t, got.Verified)
	require.True(t, got.KeyTrusted)
	require.EqualValues(t, 1, got.First)
	require.Equal(t, got.Last, got.Proved)
	require.NotNil(t, got.Findings)

	_, other := export(t)
	require.Equal(t, exitFailed, x.run("audit", "verify", file, "--key", other).code)

	require.NoError(t, os.WriteFile(file, bytes.Replace(bundle, []byte("device/SN-2"), []byte("device/SN-9"), 1), 0o600))
	r := x.run("audit", "verify", file, "--key", key)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stdout, "edited")
	require.Contains(t, r.stderr, "error: audit log broken at entry ")
	r = x.run("audit", "verify", file, "--key", key, "-o", "json")
	require.Equal(t, exitFailed, r.code)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &got))
	require.False(t, got.Verified)
	require.Equal(t, "edited", got.Findings[0].Kind)

	for _, text := range []string{"", "{}", "nonsense\n", string(bundle[:len(bundle)/2])} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Equal(t, exitFailed, x.run("audit", "verify", file).code, "%.20q", text)
	}
}
