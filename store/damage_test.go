package store

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A damaged page makes those reads fail that meet it, by name and without a panic.
// From then on nothing is issued from what is left, and revoking is still tried.
func TestDamagedPage(t *testing.T) {
	d, e, cfg := onDisk(t)
	for i := range 200 {
		require.NoError(t, create(d, i))
	}
	root := rootPage(t, d, "relying_parties")
	_, err := e.checkpoint("TRUNCATE")
	require.NoError(t, err)
	require.NoError(t, d.Close())
	spoil(t, e.path, root)

	d, err = Open(t.Context(), cfg)
	require.NoError(t, err, "nothing has met it yet")
	require.NoError(t, create(d, 1000))
	require.NoError(t, d.Health())
	var n int
	err = d.reads.row(t.Context(), `SELECT COUNT(*) FROM relying_parties NOT INDEXED`, nil, &n)
	require.Equal(t, TroubleCorrupt, TroubleOf(err), "%v", err)
	require.Equal(t, TroubleCorrupt, TroubleOf(d.Health()))
	require.Equal(t, TroubleCorrupt, TroubleOf(create(d, 1001)))
	require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, device(1)))
	require.NoError(t, d.Close())
}

// rootPage returns the number of the first page of a table.
func rootPage(t *testing.T, d *DB, table string) (page int64) {
	require.NoError(t, d.reads.row(t.Context(), `SELECT rootpage FROM sqlite_master WHERE name = $1`, []any{table}, &page))
	return page
}

// spoil puts noise in the place of a page.
func spoil(t *testing.T, path string, page int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	noise := make([]byte, walPage)
	for i := range noise {
		noise[i] = byte(i*7 + 1)
	}
	_, err = f.WriteAt(noise, (page-1)*walPage)
	require.NoError(t, err)
}
