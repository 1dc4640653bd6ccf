package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// remaining counts what is in a table.
func remaining(t *testing.T, d *DB, table string) (n int) {
	t.Helper()
	require.NoError(t, d.reads.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n))
	return n
}

// Certificates leave 90 days after they ended, with what is known of them alone.
// That one was revoked stays known for longer, and its key is taken for ever.
func TestPurge(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		identity(t, d, "device/b")
		record := func(ends time.Time) Certificate {
			c := certificate("device/a")
			c.NotAfter = ends
			must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
			return c
		}
		end := time.Now().Add(time.Hour)
		revoked, plain, lasting := record(end), record(end), record(end.Add(400*day))
		must(t, d, func(tx *Tx) {
			tx.RecordChild(plain.Serial, lasting.Serial, nil)
			tx.RecordChild(lasting.Serial, Serial{9}, nil)
		})
		relax(t, d, func(tx *RelaxedTx) { tx.Confirm(plain.Serial); tx.Confirm(lasting.Serial) })
		require.NoError(t, alone(d, func(tx *AloneTx, ctx context.Context, _ string, reason int) (Fall, error) {
			_, _, err := tx.RevokeCertificate(ctx, revoked.Serial, reason)
			return Fall{}, err
		}, ""))
		token(t, d, 1)
		status := func(s Serial) (Provenance, bool) {
			from, revocation, err := d.Status(t.Context(), issuer, s)
			require.NoError(t, err)
			return from, revocation != nil
		}
		foreign, future := plain.Serial, lasting.Serial
		foreign[15], future[0] = foreign[15]+100, 2

		require.NoError(t, d.Purge(t.Context(), end.Add(90*day)))
		require.Equal(t, 3, remaining(t, d, "certificates"))
		require.Equal(t, 0, remaining(t, d, "tokens"))
		from, _ := status(foreign)
		require.Equal(t, NeverIssued, from, "nothing was purged: what is not there never was")

		require.NoError(t, d.Purge(t.Context(), end.Add(90*day+time.Second)))
		require.Equal(t, 1, remaining(t, d, "certificates"))
		require.Equal(t, 1, remaining(t, d, "lineage"))
		require.Equal(t, 1, remaining(t, d, "confirmations"))
		require.Equal(t, 1, remaining(t, d, "revocations"))
		for _, tt := range []struct {
			name    string
			serial  Serial
			from    Provenance
			revoked bool
		}{
			{"purged", plain.Serial, Purged, false},
			{"purged and revoked", revoked.Serial, Issued, true},
			{"live", lasting.Serial, Issued, false},
			{"made up, of a time of which something was purged", foreign, Purged, false},
			{"made up, of a later time", future, NeverIssued, false},
		} {
			from, revoked := status(tt.serial)
			require.Equal(t, tt.from, from, tt.name)
			require.Equal(t, tt.revoked, revoked, tt.name)
		}
		thief := certificate("device/b")
		thief.SPKI = plain.SPKI
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(thief) }), ErrKeyTaken)

		require.NoError(t, d.Purge(t.Context(), end.Add(keepRevoked+time.Second)))
		require.Equal(t, 0, remaining(t, d, "revocations"))
		from, isRevoked := status(revoked.Serial)
		require.Equal(t, Purged, from)
		require.False(t, isRevoked)
		require.Equal(t, []map[string]int{
			{"certificates": 1, "revocations": 1, "tokens": 0}, {"certificates": 2, "revocations": 0, "tokens": 0}, {"certificates": 0, "revocations": 0, "tokens": 1},
		}, purges(t, d))
		require.NoError(t, d.Purge(t.Context(), end.Add(keepRevoked+time.Second)))
		require.Len(t, purges(t, d), 3, "where nothing left there is nothing to say")
		verify(t, d)
	})
}

// purges returns what the log says of purges, the newest first.
func purges(t *testing.T, d *DB) []map[string]int {
	t.Helper()
	entries, _, err := d.AuditEntries(t.Context(), AuditFilter{Action: "retention.purge"}, Page{})
	require.NoError(t, err)
	var all []map[string]int
	for _, e := range entries {
		counts := map[string]int{}
		for name, n := range e.Detail {
			v, err := n.(interface{ Int64() (int64, error) }).Int64()
			require.NoError(t, err)
			counts[name] = int(v)
		}
		all = append(all, counts)
	}
	return all
}

// A run that is cut off has removed whole batches, and the next one puts on record
// what both removed.
func TestPurgeCutOff(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		must(t, d, func(tx *Tx) {
			for range 200 {
				tx.InsertCertificate(certificate("device/a"))
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		later := time.Now().Add(100 * day)
		b, err := d.leaving(ctx, leavers[0], later.UnixMilli(), 32)
		require.NoError(t, err)
		require.EqualValues(t, 32, b.n)
		relax(t, d, func(tx *RelaxedTx) { // one batch, as purge sends it
			tx.demand(b.n, ErrStale, leavers[0].remove[2], b.end, b.id)
			tx.demand(1, ErrNotFound, leavers[0].count, b.n, b.newest)
		})
		cancel()
		require.ErrorIs(t, d.Purge(ctx, later), context.Canceled)
		require.Empty(t, purges(t, d))
		require.NoError(t, d.Purge(t.Context(), later))
		require.Equal(t, []map[string]int{{"certificates": 200, "revocations": 0, "tokens": 0}}, purges(t, d))
	})
}
