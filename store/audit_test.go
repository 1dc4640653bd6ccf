package store

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// Every Update is one entry of the log, in the order of their commits, and the
// log verifies however many shared a transaction; tiles and all, after it was
// opened again.
func TestLogGrowsAndVerifies(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		cfg := d.cfg
		const n = 700 // two tiles and a half
		for _, err := range parallel(n, func(int) error { return update(d, func(*Tx) {}) }) {
			require.NoError(t, err)
		}
		require.EqualValues(t, n, d.LogSize())
		require.EqualValues(t, n, verify(t, d))
		root := d.log.head.Load().Hash()

		require.NoError(t, d.Close())
		d = open(t, cfg)
		require.Equal(t, root, d.log.head.Load().Hash())
		for _, err := range parallel(n, func(int) error { return update(d, func(*Tx) {}) }) {
			require.NoError(t, err)
		}
		require.EqualValues(t, 2*n, verify(t, d))
		source, err := d.AuditSource(t.Context())
		require.NoError(t, err)
		tiles, err := source.Tiles(t.Context(), 0, -1, 100)
		require.NoError(t, err)
		require.Len(t, tiles, 5)
	})
}

// A change that somebody makes in the database behind our back is found.
func TestLogNoticesEdits(t *testing.T) {
	for _, edit := range []string{
		`UPDATE audit SET action = 'other.action' WHERE seq = 3`,
		`UPDATE audit SET term1 = NULL WHERE seq = 3`,
		`DELETE FROM audit WHERE seq = 3`,
		`UPDATE audit_tiles SET hashes = (SELECT hashes FROM audit_tiles WHERE n = 1) WHERE n = 0`,
		`DELETE FROM audit_tiles WHERE n = 1`,
	} {
		t.Run(edit, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, d *DB) {
				for _, err := range parallel(600, func(int) error { return update(d, func(*Tx) {}) }) {
					require.NoError(t, err)
				}
				must(t, d, func(tx *Tx) { tx.demand(anyRows, nil, edit) })
				source, err := d.AuditSource(t.Context())
				require.NoError(t, err)
				_, err = audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d)})
				var tampered *audit.TamperError
				require.ErrorAs(t, err, &tampered)
			})
		})
	}
}

// So is one that only lengthens a column: what is behind its end belongs to it, too.
func TestLogNoticesLongColumns(t *testing.T) {
	for _, column := range []string{"hash", "term1"} {
		t.Run(column, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, d *DB) {
				must(t, d, func(*Tx) {})
				var value []byte
				require.NoError(t, d.reads.row(t.Context(), `SELECT `+column+` FROM audit WHERE seq = 1`, nil, &value))
				must(t, d, func(tx *Tx) {
					tx.demand(1, nil, `UPDATE audit SET `+column+` = $1 WHERE seq = 1`, append(value, 0))
				})
				source, err := d.AuditSource(t.Context())
				require.NoError(t, err)
				_, err = audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d)})
				var tampered *audit.TamperError
				require.ErrorAs(t, err, &tampered)
				require.EqualValues(t, 1, tampered.From)
			})
		})
	}
}

// Entries are found by actor, subject, action and time, alone and together, and
// by nothing else.
func TestAuditEntries(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		begin := time.UnixMilli(1_800_000_000_000).UTC()
		write := func(minute int, actor, action, subject string) {
			d.cfg.Now = func() time.Time { return begin.Add(time.Duration(minute) * time.Minute) }
			d.writer.db.cfg.Now = d.cfg.Now
			require.NoError(t, d.Update(t.Context(), func(*Tx) audit.Event {
				return audit.Event{Actor: actor, Action: action, Subject: subject, Outcome: "ok"}
			}))
		}
		write(0, "uid:0", "token.create", "device/a")
		write(1, "device/a", "certificate.issue", "device/a")
		write(2, "device/b", "certificate.issue", "device/b")
		write(3, "uid:0", "identity.suspend", "device/a")
		write(4, "device/a", "certificate.refuse", "device/a")

		for _, tt := range []struct {
			filter AuditFilter
			want   []int64 // the newest first
		}{
			{AuditFilter{}, []int64{5, 4, 3, 2, 1}},
			{AuditFilter{Actor: "uid:0"}, []int64{4, 1}},
			{AuditFilter{Subject: "device/a"}, []int64{5, 4, 2, 1}},
			{AuditFilter{Actor: "device/a"}, []int64{5, 2}},
			{AuditFilter{Actor: "uid:0", Subject: "device/a"}, []int64{4, 1}},
			{AuditFilter{Subject: "uid:0"}, nil},
			{AuditFilter{Action: "certificate.issue"}, []int64{3, 2}},
			{AuditFilter{Action: "identity.suspend"}, []int64{4}},
			{AuditFilter{Action: "certificate.issue", Actor: "device/b"}, []int64{3}},
			{AuditFilter{Since: begin.Add(2 * time.Minute)}, []int64{5, 4, 3}},
			{AuditFilter{Until: begin.Add(2 * time.Minute)}, []int64{2, 1}},
			{AuditFilter{Since: begin.Add(time.Minute), Until: begin.Add(4 * time.Minute), Subject: "device/a"}, []int64{4, 2}},
			{AuditFilter{Since: begin.Add(4 * time.Minute), Action: "certificate.refuse"}, []int64{5}},
			{AuditFilter{Action: "no.such"}, nil},
		} {
			var got []int64
			for after := ""; ; {
				entries, next, err := d.AuditEntries(t.Context(), tt.filter, Page{After: after, Limit: 2})
				require.NoError(t, err)
				for _, e := range entries {
					got = append(got, e.Seq)
				}
				if after = next; next == "" {
					break
				}
			}
			require.Equal(t, tt.want, got, "%+v", tt.filter)
		}

		must(t, d, func(tx *Tx) { tx.demand(anyRows, nil, `UPDATE audit SET leaf = hash WHERE seq = 3`) })
		entries, _, err := d.AuditEntries(t.Context(), AuditFilter{Actor: "device/b"}, Page{})
		require.NoError(t, err)
		require.Len(t, entries, 1) // not hidden
		require.Contains(t, entries[0].Outcome, "unreadable")
	})
}

// What a request left in the log is left out of a list on demand, and the list is as long
// without it: in pages that are full, and with no page more than there are entries for.
func TestAuditEntriesExcept(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, request := range []string{"A", "B", "C", "B", "A"} {
			require.NoError(t, d.Update(t.Context(), func(*Tx) audit.Event {
				return audit.Event{Actor: "uid:0", Action: "test.write", RequestID: request}
			}))
		}
		for _, tt := range []struct {
			except string
			want   [][]int64 // pages
		}{
			{"", [][]int64{{5, 4}, {3, 2}, {1}}},
			{"D", [][]int64{{5, 4}, {3, 2}, {1}}},
			{"A", [][]int64{{4, 3}, {2}}},
			{"C", [][]int64{{5, 4}, {2, 1}}},
		} {
			for _, f := range []AuditFilter{{Except: tt.except}, {Except: tt.except, Actor: "uid:0"}, {Except: tt.except, Action: "test.write"}} {
				var pages [][]int64
				for after := ""; ; {
					entries, next, err := d.AuditEntries(t.Context(), f, Page{After: after, Limit: 2})
					require.NoError(t, err)
					var page []int64
					for _, e := range entries {
						page = append(page, e.Seq)
					}
					if len(page) > 0 { // behind the last there may be one that turns out to be empty
						pages = append(pages, page)
					}
					if after = next; next == "" {
						break
					}
				}
				require.Equal(t, tt.want, pages, "%+v", f)
			}
		}
	})
}

// A monitor that kept any older checkpoint can check each newer one.
func TestConsistencyProof(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		v := verifier(t, d)
		var kept []checkpoint.Checkpoint
		for range 8 {
			for _, err := range parallel(97, func(int) error { return update(d, func(*Tx) {}) }) {
				require.NoError(t, err)
			}
			signed, err := d.SignCheckpoint(t.Context())
			require.NoError(t, err)
			c, err := checkpoint.Open(signed.Note, v)
			require.NoError(t, err)
			kept = append(kept, c)
			for _, old := range kept {
				for range 2 { // the second comes out of the cache
					proof, err := d.ConsistencyProof(t.Context(), old.Size, c.Size)
					require.NoError(t, err)
					require.NoError(t, checkpoint.CheckConsistency(old, c, proof))
				}
			}
		}
		for _, pair := range [][2]int64{{-1, 5}, {5, 4}, {5, d.LogSize() + 1}} {
			_, err := d.ConsistencyProof(t.Context(), pair[0], pair[1])
			require.ErrorIs(t, err, ErrNotFound)
		}
		proof, err := d.ConsistencyProof(t.Context(), 0, 5)
		require.NoError(t, err)
		require.Empty(t, proof)
	})
}

// A checkpoint that anyone gets to see is in the store and in the evidence file;
// one is signed when the log has changed, or an hour has gone by.
func TestSignCheckpoint(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now()
		d.cfg.Now = func() time.Time { return now }
		_, err := d.LatestCheckpoint(t.Context())
		require.ErrorIs(t, err, ErrNotFound)

		first, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		require.Zero(t, first.Size)
		again, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, first, again)

		must(t, d, func(*Tx) {})
		second, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, second.Size)
		latest, err := d.LatestCheckpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, second, latest)

		now = now.Add(time.Hour)
		hourly, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, second.Note, hourly.Note)
		require.NotEqual(t, second.At, hourly.At)

		evidence, err := os.ReadFile(d.cfg.Evidence)
		require.NoError(t, err)
		require.Equal(t, string(slices.Concat(audit.EvidenceNote(first.Note), audit.EvidenceNote(second.Note), audit.EvidenceNote(hourly.Note))), string(evidence))
		info, err := os.Stat(d.cfg.Evidence)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())

		d.cfg.Evidence = t.TempDir() // a folder: it cannot be written
		must(t, d, func(*Tx) {})
		_, err = d.SignCheckpoint(t.Context())
		require.Error(t, err)
		latest, err = d.LatestCheckpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, hourly, latest)
	})
}

// Run signs when it begins and when it ends.
func TestRunSigns(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		must(t, d, func(*Tx) {})
		stop := maintained(t, d)
		require.Eventually(t, func() bool {
			c, err := d.LatestCheckpoint(t.Context())
			return err == nil && c.Size == 1
		}, 10*time.Second, time.Millisecond)
		must(t, d, func(*Tx) {})
		stop()
		c, err := d.LatestCheckpoint(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, c.Size)

		source, err := d.AuditSource(t.Context())
		require.NoError(t, err)
		evidence, err := os.Open(d.cfg.Evidence)
		require.NoError(t, err)
		defer evidence.Close()
		report, err := audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d), Evidence: evidence})
		require.NoError(t, err)
		require.EqualValues(t, 2, report.Proved)
		require.Equal(t, tlog.Hash(d.log.head.Load().Hash()), report.Hash)
	})
}
