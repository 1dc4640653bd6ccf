package store

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// Somebody who reads for long keeps the write-ahead log from starting anew, and nobody
// from writing, then or later.
func TestWALOfReaderStays(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	e := d.engine.(*sqlite)
	must(t, d, func(*Tx) {})
	reader, err := e.read.Begin()
	require.NoError(t, err)
	require.NoError(t, reader.QueryRow(`SELECT number FROM crl_number`).Scan(new(int)))
	must(t, d, func(*Tx) {})
	before, _, err := e.walExtent("NOOP")
	require.NoError(t, err)
	for range 3 {
		e.wal.reset.Store(true)
		must(t, d, func(*Tx) {}) // after which the writer tries
	}
	pages, _, err := e.walExtent("NOOP")
	require.NoError(t, err)
	require.Greater(t, pages, before)
	require.NoError(t, reader.Rollback())

	e.wal.reset.Store(true)
	must(t, d, func(*Tx) {})
	must(t, d, func(*Tx) {}) // in the one that began anew
	now, _, err := e.walExtent("NOOP")
	require.NoError(t, err)
	require.Less(t, now, pages)
	err = d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error {
		var wait string
		require.NoError(t, tx.row(ctx, `PRAGMA busy_timeout`, nil, &wait))
		require.Equal(t, busyWait, wait, "for other processes")
		return nil
	})
	require.NoError(t, err)
}

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
	require.Equal(t, long, size(), "it is to be written over")
	require.NoError(t, os.Truncate(e.path+"-wal", walKeep+1))
	require.NoError(t, e.checkpointWAL(true))
	require.Zero(t, size())
	c, err := d.LatestCRL(t.Context(), "aa", "full")
	require.NoError(t, err)
	require.Equal(t, number, c.Number)
	require.Len(t, c.DER, 20<<20)
}
