package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
			Doubtful: map[Why]int64{Dormant: 0, Ownerless: 0, Unattested: 0},
		}, counts)

		must(t, d, func(tx *Tx) { tx.ClearSuspect(device(1)) })
		counts, err = d.count(t.Context())
		require.NoError(t, err)
		require.Zero(t, counts.Suspects)

		d.counts.took, d.byIssuer.took = time.Hour, 0 // what is kept for long has no certificates in it
		issued(t, d, device(0))
		counts, err = d.Counts(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 5, counts.Live)
		require.EqualValues(t, 1, counts.Suspects)

		stats := d.Stats()
		require.Equal(t, d.LogSize(), stats.Entries)
		require.GreaterOrEqual(t, stats.Calls, stats.Entries)
		require.Positive(t, stats.Busy)
	})
}
