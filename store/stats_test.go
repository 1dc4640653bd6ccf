package store

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// Each thing is counted once, where it belongs.
func TestCounts(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for i := range 4 {
			identity(t, d, device(i))
			issued(t, d, device(i))
		}
		expired := certificate(device(0))
		expired.NotAfter = time.Now().Add(-time.Minute)
		must(t, d, func(tx *Tx) {
			tx.InsertCertificate(expired)
			tx.MarkSuspect(device(1))
			tx.SetState(device(2), []State{Active}, Suspended)
		})
		require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, device(3)))
		spent := token(t, d, 1)
		token(t, d, 1)
		must(t, d, func(tx *Tx) { tx.SpendToken(spent) })

		counts, err := d.Counts(t.Context())
		require.NoError(t, err)
		require.Equal(t, Counts{
			Identities: map[State]int64{Active: 2, Suspended: 1, Revoked: 1}, Suspects: 1,
			Live: 4, Revoked: 1, OpenTokens: 1, AuditEntries: d.LogSize(),
		}, counts)

		must(t, d, func(tx *Tx) { tx.ClearSuspect(device(1)) })
		counts, err = d.Counts(t.Context())
		require.NoError(t, err)
		require.Zero(t, counts.Suspects)
		stats := d.Stats()
		require.Equal(t, d.LogSize(), stats.Entries)
		require.GreaterOrEqual(t, stats.Calls, stats.Entries)
		require.Positive(t, stats.Busy)
	})
}

// A quiet store gives back the disk that a burst of writing took for the
// write-ahead log.
func TestWALShrinks(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	for i := range 3 {
		require.NoError(t, d.SaveCRL(t.Context(), CRL{Issuer: "aa", Kind: "full", Number: int64(i + 1), DER: make([]byte, 32<<20)}))
	}
	e := d.engine.(*sqlite)
	size := func() int64 {
		info, err := os.Stat(e.path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	require.Greater(t, size(), int64(walKeep))
	require.NoError(t, e.checkpointWAL(false))
	require.Greater(t, size(), int64(walKeep)) // nobody is to wait
	require.NoError(t, e.checkpointWAL(true))
	require.Zero(t, size())
	c, err := d.LatestCRL(t.Context(), "aa", "full")
	require.NoError(t, err)
	require.Len(t, c.DER, 32<<20)
}
