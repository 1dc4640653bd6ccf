package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The lists of a lost store come out of its file though its indexes are damaged, and without
// its keys; but for shards, which say nothing of most certificates. Where none can be read
// that is an error.
func TestKeptLists(t *testing.T) {
	d, e, _ := onDisk(t)
	for i, kind := range []string{"full", "delta", "4/1"} {
		require.NoError(t, d.SaveCRL(t.Context(), CRL{
			Issuer: issuer, Kind: kind, Number: int64(i + 1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), DER: []byte(kind),
		}))
	}
	table, index := rootPage(t, d, "crls"), rootPage(t, d, "sqlite_autoindex_crls_1")
	require.NoError(t, d.Close())
	want := [][]byte{[]byte("full"), []byte("delta")}
	lists, err := KeptLists(t.Context(), e.path)
	require.NoError(t, err)
	require.Equal(t, want, lists)
	spoil(t, e.path, index)
	lists, err = KeptLists(t.Context(), e.path)
	require.NoError(t, err)
	require.Equal(t, want, lists)
	spoil(t, e.path, table)
	_, err = KeptLists(t.Context(), e.path)
	require.Equal(t, TroubleCorrupt, TroubleOf(err), "%v", err)

	for text, want := range map[string]bool{"": false, "SQLite": false, "-----BEGIN X509 CRL-----\n": false, "SQLite format 3\x00 and more": true} {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		is, err := IsSQLite(file)
		require.NoError(t, err)
		require.Equal(t, want, is, text)
	}
}
