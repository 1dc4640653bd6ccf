package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func report(path string, number int64, at time.Time) EnforcementReport {
	at = at.UTC().Truncate(time.Millisecond)
	return EnforcementReport{
		Identity: path, Issuer: issuer, Number: number, Reported: at, Enforced: at.Add(-time.Second), FirstSeen: at,
		Address: "192.0.2.7", Connections: 3, MaxAge: 30 * time.Minute,
	}
}

func record(t *testing.T, d *DB, all ...EnforcementReport) {
	t.Helper()
	require.NoError(t, d.Relaxed(t.Context(), func(tx *RelaxedTx) {
		for _, r := range all {
			tx.RecordEnforcement(r)
		}
	}))
}

// The latest report of an identity about an issuer is kept, whatever its number,
// and when it was first seen; an older one that comes late, by way of another
// process, changes nothing. What is no active identity's is not told.
func TestEnforcementReports(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "guard/a")
		identity(t, d, "guard/b")
		now := time.Now()
		first := report("guard/a", 7, now)
		record(t, d, first, report("guard/b", 5, now.Add(-time.Hour)), report("guard/none", 9, now))
		back := report("guard/a", 3, now.Add(time.Minute))
		record(t, d, back)
		record(t, d, report("guard/a", 8, now.Add(time.Second)))
		other := report("guard/a", 6, now)
		other.Issuer = "another"
		record(t, d, other)

		back.FirstSeen = first.FirstSeen
		all, err := d.EnforcementReports(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, []EnforcementReport{back, other, report("guard/b", 5, now.Add(-time.Hour))}, all)
		late, err := d.EnforcementReports(t.Context(), back.Reported)
		require.NoError(t, err)
		require.Equal(t, []EnforcementReport{back}, late)

		must(t, d, func(tx *Tx) { tx.SetState("guard/a", []State{Active}, Suspended) })
		all, err = d.EnforcementReports(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.NoError(t, d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.ForgetRelyingParty("guard/b") }))
		all, err = d.EnforcementReports(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Empty(t, all)
	})
}

// What was not heard for long is forgotten, in batches, and nothing else.
func TestPruneEnforcement(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "guard/a")
		now := time.Now()
		var old []EnforcementReport
		for i := range pruneBatch + 10 {
			r := report("guard/a", 1, now.Add(-time.Hour))
			r.Issuer = fmt.Sprint(i)
			old = append(old, r)
		}
		record(t, d, append(old, report("guard/a", 2, now))...)
		require.NoError(t, d.PruneEnforcement(t.Context(), now.Add(-time.Minute)))
		all, err := d.EnforcementReports(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Equal(t, []EnforcementReport{report("guard/a", 2, now)}, all)
	})
}

// The last revocation of a range is found by its numbers and by the issuer of what
// fell.
func TestLastRevoked(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "guard/a")
		var numbers []int64
		for i := range int64(3) {
			c := certificate("guard/a")
			c.Revision += i
			must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
			must(t, d, func(tx *Tx) { tx.ReplaceCertificates("guard/a", c.Revision) })
			r, err := d.Revocation(t.Context(), c.Serial)
			require.NoError(t, err)
			numbers = append(numbers, r.Number)
			for _, first := range numbers {
				number, at, err := d.LastRevoked(t.Context(), issuer, first, r.Number)
				require.NoError(t, err)
				require.Equal(t, r.Number, number)
				require.Equal(t, r.At, at)
			}
		}
		number, _, err := d.LastRevoked(t.Context(), issuer, 0, numbers[1])
		require.NoError(t, err)
		require.Equal(t, numbers[1], number)
		_, _, err = d.LastRevoked(t.Context(), issuer, numbers[2]+1, numbers[2]+100)
		require.ErrorIs(t, err, ErrNotFound)
		_, _, err = d.LastRevoked(t.Context(), "another", 0, numbers[2])
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// Reading and pruning go by indexes, as everything does.
func TestEnforcementUsesIndexes(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "guard/a")
		record(t, d, report("guard/a", 1, time.Now().Add(-time.Hour)))
		_, err := d.EnforcementReports(t.Context(), time.Time{})
		require.NoError(t, err)
		_, _, err = d.LastRevoked(t.Context(), issuer, 1, 1)
		require.ErrorIs(t, err, ErrNotFound)
		require.NoError(t, d.PruneEnforcement(t.Context(), time.Now()))
		n := 0
		d.reads.stmts.Range(func(query, _ any) bool {
			if text := query.(string); strings.Contains(text, "relying_parties") || strings.Contains(text, "r.revoked_at") {
				n++
				require.NotContains(t, usesIndexes(t, d, text), "SCAN p\n")
			}
			return true
		})
		require.Equal(t, 4, n)
	})
}
