package store

import (
	"cmp"
	"context"
	"math"
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
		require.NoError(t, d.remove(ctx, leavers[0], b))
		cancel()
		require.ErrorIs(t, d.Purge(ctx, later), context.Canceled)
		require.Empty(t, purges(t, d))
		require.NoError(t, d.Purge(t.Context(), later))
		require.Equal(t, []map[string]int{{"certificates": 200, "revocations": 0, "tokens": 0}}, purges(t, d))
	})
}

// A batch that is not any more what was read is left whole and uncounted: by another run
// some of it is on record as removed already, and of what came among it nothing is. The
// next run takes what is there then, and counts it once.
func TestPurgeBatchChanged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, d *DB, ends time.Time)
		left   int
	}{
		{"a row has gone", func(t *testing.T, d *DB, _ time.Time) {
			b, err := d.leaving(t.Context(), leavers[0], math.MaxInt64, 1)
			require.NoError(t, err)
			require.NoError(t, d.remove(t.Context(), leavers[0], b))
		}, 2},
		{"a row was put back", func(t *testing.T, d *DB, ends time.Time) {
			c := certificate("device/a")
			c.NotAfter = ends.Add(-time.Hour)
			must(t, d, func(tx *Tx) { tx.InsertCertificate(c); tx.RecordChild(c.Serial, Serial{9}, nil) })
			relax(t, d, func(tx *RelaxedTx) { tx.Confirm(c.Serial) })
		}, 4},
		{"the count cannot be kept", func(t *testing.T, d *DB, _ time.Time) {
			relax(t, d, func(tx *RelaxedTx) { tx.demand(1, nil, `DELETE FROM retention`) })
		}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, d *DB) {
				identity(t, d, "device/a")
				ends := time.Now()
				for range 3 {
					c := certificate("device/a")
					c.NotAfter = ends
					must(t, d, func(tx *Tx) { tx.InsertCertificate(c); tx.RecordChild(c.Serial, Serial{9}, nil) })
					relax(t, d, func(tx *RelaxedTx) { tx.Confirm(c.Serial) })
				}
				b, err := d.leaving(t.Context(), leavers[0], math.MaxInt64, 100)
				require.NoError(t, err)
				require.EqualValues(t, 3, b.n)
				tt.change(t, d, ends)
				require.Error(t, d.remove(t.Context(), leavers[0], b), "a batch is removed that is not what was read")
				for _, table := range []string{"certificates", "lineage", "confirmations"} {
					require.Equal(t, tt.left, remaining(t, d, table), "something of the batch has left: %s", table)
				}
				relax(t, d, func(tx *RelaxedTx) {
					tx.demand(anyRows, nil, `
					INSERT INTO retention (id, horizon, certificates, revocations, tokens) VALUES (1, 0, 0, 0, 0) ON CONFLICT DO NOTHING`)
				})
				require.NoError(t, d.Purge(t.Context(), ends.Add(100*day)))
				require.Equal(t, 3+max(0, tt.left-3), purges(t, d)[0]["certificates"], "each is counted once")
			})
		})
	}
}

// A token leaves thirty days, or what the configuration says, after it can no longer be
// spent, whether it was spent or not: until then it is known what became of it.
func TestPurgeTokens(t *testing.T) {
	for _, days := range []time.Duration{0, 7} {
		eachEngine(t, func(t *testing.T, d *DB) {
			d.keep = Retention{Tokens: days * day}.orDefaults()
			made := time.UnixMilli(time.Now().UnixMilli())
			d.cfg.Now = func() time.Time { return made }
			spent, revoked := token(t, d, 1), token(t, d, 1)
			token(t, d, 1)
			must(t, d, func(tx *Tx) { tx.SpendToken(spent); tx.RevokeToken(revoked) })
			last := made.Add(MaxTokenLife + cmp.Or(days, 30)*day)
			require.NoError(t, d.Purge(t.Context(), last))
			require.Equal(t, 3, remaining(t, d, "tokens"), "a token has left before its time")
			require.NoError(t, d.Purge(t.Context(), last.Add(time.Millisecond)))
			require.Zero(t, remaining(t, d, "tokens"), "a token stays after its time")
			require.Equal(t, map[string]int{"certificates": 0, "revocations": 0, "tokens": 3}, purges(t, d)[0])
		})
	}
}

// What was made no later than anything that has left may have left, too, and nobody says
// of it that it never was: however runs and batches put certificates in order, and also
// where only the revocation was known.
func TestPurgeHorizon(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		made := time.UnixMilli(time.Now().UnixMilli())
		serial := func(at time.Time) (s Serial) {
			copy(s[:], numbered(at.UnixMilli()<<16, nil))
			s[15] = byte(serials.Add(1))
			return s
		}
		record := func(at, ends time.Time) {
			c := certificate("device/a")
			c.Serial, c.NotAfter = serial(at), ends
			must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
		}
		says := func(at time.Time, want Provenance, why string) {
			t.Helper()
			from, _, err := d.Status(t.Context(), issuer, serial(at))
			require.NoError(t, err)
			require.Equal(t, want, from, why)
		}
		day := func(n int) time.Time { return made.Add(time.Duration(n) * day) }
		record(day(5), day(10)) // the newest ends first
		record(day(4), day(11))
		record(day(3), day(300))
		require.NoError(t, d.Purge(t.Context(), day(200)))
		require.Equal(t, 1, remaining(t, d, "certificates"))
		says(day(5), Purged, "a batch has left, and its newest certificate is not known to have left")
		says(day(5).Add(time.Second), NeverIssued, "nothing of that time has left")
		require.NoError(t, d.Purge(t.Context(), day(400)))
		require.Zero(t, remaining(t, d, "certificates"))
		says(day(5), Purged, "an older certificate that left later has made a newer one forgotten")

		lost := serial(day(6))
		relax(t, d, func(tx *RelaxedTx) {
			tx.demand(1, nil, `
				INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
				SELECT $1, '', 1, 1, $2, 1, s.id FROM issuers s WHERE s.key_id = $3`, lost[:], day(300).UnixMilli(), issuer)
		})
		from, revocation, err := d.Status(t.Context(), issuer, lost)
		require.NoError(t, err)
		require.Equal(t, Issued, from)
		require.NotNil(t, revocation)
		require.NoError(t, d.Purge(t.Context(), day(300).Add(keepRevoked+time.Second)))
		require.Zero(t, remaining(t, d, "revocations"))
		says(day(6), Purged, "a revocation has left, and its certificate counts as one that never was")
	})
}

// However long certificates are kept, their revocations are kept longer: without one a
// certificate would be good again. However short the log is to be, it is six years.
func TestRetentionFloors(t *testing.T) {
	for _, certificates := range []time.Duration{0, day, 90 * day, keepRevoked, 10 * 365 * day} {
		r := Retention{Certificates: certificates, Audit: day}.orDefaults()
		require.Greater(t, r.revocations(), r.Certificates, "a revocation leaves before its certificate")
		require.GreaterOrEqual(t, r.revocations(), keepRevoked)
		require.GreaterOrEqual(t, r.Audit, 6*365*day+day, "entries leave before six years")
	}
	require.Equal(t, 7*365*day, Retention{Audit: 7 * 365 * day}.orDefaults().Audit)
}
