package store

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// The write-ahead log does not grow for ever under load: when it is long it starts
// anew, in the place that it has; and a quiet store gives that place back.
func TestWALStaysShort(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	number := int64(0)
	write := func(megabytes int) {
		number++
		require.NoError(t, d.SaveCRL(t.Context(), CRL{Issuer: "aa", Kind: "full", Number: number, DER: make([]byte, megabytes<<20)}))
	}
	e := d.engine.(*sqlite)
	size := func() int64 {
		info, err := os.Stat(e.path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	write(40)
	reader, err := e.read.Begin() // as a write that comes meanwhile, it keeps the copy from being all
	require.NoError(t, err)
	require.NoError(t, reader.QueryRow(`SELECT number FROM crl_number`).Scan(new(int)))
	write(40)
	require.NoError(t, e.checkpointWAL(false))
	require.NoError(t, reader.Rollback())
	long := size()
	require.Greater(t, long, int64(walReset))
	must(t, d, func(*Tx) {}) // after which the writer copies the rest
	long = size()
	for range 3 {
		write(20)
	}
	require.Equal(t, long, size())

	require.NoError(t, e.checkpointWAL(true))
	require.Zero(t, size())
	c, err := d.LatestCRL(t.Context(), "aa", "full")
	require.NoError(t, err)
	require.Equal(t, number, c.Number)
	require.Len(t, c.DER, 20<<20)
}
