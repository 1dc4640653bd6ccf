package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/betonica/betonica/store/storetest"
)

// old is a log of so many entries that were made six years and some months before
// the time that it returns, under two checkpoints.
func old(t *testing.T, dsn string, entries int) (*DB, Config, time.Time) {
	t.Helper()
	cfg := config(t, dsn)
	cfg.Retention.Archive = filepath.Join(t.TempDir(), "archive")
	d := open(t, cfg)
	more(t, d, entries/2)
	_, err := d.SignCheckpoint(t.Context())
	require.NoError(t, err)
	more(t, d, entries-entries/2)
	_, err = d.SignCheckpoint(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, entries, d.LogSize())
	return d, cfg, time.Now().Add(SixYears + 2*segmentWaits)
}

// more appends n entries.
func more(t *testing.T, d *DB, n int) {
	t.Helper()
	for _, err := range parallel(n, func(int) error { return update(d, func(*Tx) {}) }) {
		require.NoError(t, err)
	}
}

// What is older than six years lies in a file, and the log is one: it verifies from
// its first entry, proves its past to whoever saw it when it was small, opens again,
// and can be exported across the border. What is younger stays.
func TestArchiveLog(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, cfg, later := old(t, dsn, 3*audit.TileWidth+10)
		before := d.log.head.Load().Clone()
		require.NoError(t, d.ArchiveLog(t.Context(), later.Add(-2*segmentWaits-time.Hour)))
		require.NoError(t, d.ArchiveLog(t.Context(), later.Add(-segmentWaits-time.Hour)), "a month more until it is worth a file")
		segments, err := d.Segments(t.Context())
		require.NoError(t, err)
		require.Empty(t, segments)

		require.NoError(t, d.ArchiveLog(t.Context(), later))
		segments, err = d.Segments(t.Context())
		require.NoError(t, err)
		require.Len(t, segments, 1)
		require.EqualValues(t, 1, segments[0].First)
		require.EqualValues(t, 3*audit.TileWidth, segments[0].Last)
		require.Equal(t, 11, remaining(t, d, "audit"), "ten that are no whole tile, and the entry of the segment")
		require.Equal(t, d.LogSize(), verify(t, d))
		proof, err := audit.ProveConsistency(t.Context(), source(t, d), 300, before.Size())
		require.NoError(t, err)
		tree, err := audit.LoadTree(t.Context(), source(t, d), 300)
		require.NoError(t, err)
		require.NoError(t, checkpoint.CheckConsistency(
			checkpoint.Checkpoint{Origin: cfg.Origin, Size: 300, Hash: tree.Hash()}, checkpoint.Checkpoint{Origin: cfg.Origin, Size: before.Size(), Hash: before.Hash()}, proof))

		var bundle bytes.Buffer
		key, err := d.VerifierKey()
		require.NoError(t, err)
		signed, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		require.NoError(t, audit.Export(t.Context(), &bundle, source(t, d), audit.ExportOptions{
			From: segments[0].Last - 300, To: segments[0].Last + 3, VerifierKey: key, Checkpoint: signed.Note,
		}))
		report, err := audit.VerifyBundle(&bundle, key)
		require.NoError(t, err)
		require.EqualValues(t, 304, report.Last-report.First+1)

		require.NoError(t, d.ArchiveLog(t.Context(), later))
		require.Equal(t, 11, remaining(t, d, "audit"), "nothing more is due")
		again, err := Open(t.Context(), cfg)
		require.NoError(t, err)
		defer again.Close()
		require.Equal(t, d.LogSize(), again.LogSize())
		require.Equal(t, before.Size()+1, verify(t, again))
	})
}

func source(t *testing.T, d *DB) *AuditSource {
	t.Helper()
	s, err := d.AuditSource(t.Context())
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// A log that is verified while it is archived is whole.
func TestArchiveWhileVerified(t *testing.T) {
	d, _, later := old(t, storetest.SQLite(t), 3*audit.TileWidth+10)
	s := source(t, d)
	first, err := s.Records(t.Context(), 0, 10)
	require.NoError(t, err)
	require.NoError(t, d.ArchiveLog(t.Context(), later))
	next, err := s.Records(t.Context(), 10, 10)
	require.NoError(t, err)
	require.EqualValues(t, 1, first[0].Seq)
	require.EqualValues(t, 11, next[0].Seq)
	hashes, err := s.Hashes(t.Context(), 5, 9)
	require.NoError(t, err)
	require.Equal(t, first[5].Hash, hashes[0])
	require.Len(t, hashes, 4)
}

// Whatever step was the last before a crash: the log is whole, and the next run
// completes it.
func TestArchiveCrash(t *testing.T) {
	steps := []func(*archiver, context.Context) error{
		func(a *archiver, _ context.Context) error { // half of step 1
			return errors.Join(os.MkdirAll(a.db.keep.Archive, 0o700), os.WriteFile(a.path(unfinished), []byte(`{"segment":`), 0o600))
		},
		(*archiver).write, (*archiver).name, (*archiver).verify, (*archiver).record,
		func(a *archiver, ctx context.Context) error { // some of step 5
			return a.db.Relaxed(ctx, func(tx *RelaxedTx) { tx.demand(anyRows, nil, `DELETE FROM audit WHERE seq <= 100`) })
		},
		(*archiver).forget,
	}
	for n := range len(steps) + 1 {
		storetest.EachEngine(t, func(t *testing.T, dsn string) {
			d, cfg, later := old(t, dsn, 2*audit.TileWidth+1)
			a, err := d.archiver(t.Context(), later)
			require.NoError(t, err)
			for _, step := range steps[:n] {
				require.NoError(t, step(a, t.Context()))
			}
			after, err := Open(t.Context(), cfg)
			require.NoError(t, err)
			size := after.LogSize()
			require.Equal(t, size, verify(t, after), "after step %d", n)
			require.NoError(t, after.ArchiveLog(t.Context(), later))
			require.GreaterOrEqual(t, verify(t, after), size)
			segments, err := after.Segments(t.Context())
			require.NoError(t, err)
			require.Len(t, segments, 1)
			require.EqualValues(t, after.LogSize()-2*audit.TileWidth, remaining(t, after, "audit"))
			files, err := os.ReadDir(cfg.Retention.Archive)
			require.NoError(t, err)
			require.Len(t, files, 1)
			require.NoError(t, after.Close())
		})
	}
}

// Verifying names the file that is gone or was changed, and an entry that somebody
// put back beside it.
func TestArchiveTampered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, d *DB, file string)
		kind   audit.Kind
	}{
		{"gone", func(t *testing.T, _ *DB, file string) { require.NoError(t, os.Remove(file)) }, audit.SegmentMissing},
		{"a byte of an entry", func(t *testing.T, _ *DB, file string) { patch(t, file, 20_000) }, audit.SegmentEdited},
		{"its head", func(t *testing.T, _ *DB, file string) { patch(t, file, 1) }, audit.SegmentEdited},
		{"its end", func(t *testing.T, _ *DB, file string) { require.NoError(t, os.Truncate(file, 30_000)) }, audit.SegmentEdited},
		{"a row put back", func(t *testing.T, d *DB, _ string) {
			relax(t, d, func(tx *RelaxedTx) {
				tx.demand(1, nil, `INSERT INTO audit (seq, at, action, leaf, hash) SELECT 7, at, action, leaf, hash FROM audit WHERE seq = $1`, d.LogSize())
			})
		}, audit.Inserted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, cfg, later := old(t, storetest.SQLite(t), 2*audit.TileWidth+1)
			require.NoError(t, d.ArchiveLog(t.Context(), later))
			segments, err := d.Segments(t.Context())
			require.NoError(t, err)
			tt.change(t, d, filepath.Join(cfg.Retention.Archive, segments[0].File))
			keyring, err := d.Keyring(t.Context())
			require.NoError(t, err)
			report, err := audit.Verify(t.Context(), source(t, d), audit.VerifyOptions{Verifier: verifier(t, d), Keyring: keyring})
			var tampered *audit.TamperError
			require.ErrorAs(t, err, &tampered)
			require.Equal(t, tt.kind, tampered.Kind, "%s", report)
			if tt.kind != audit.Inserted {
				require.Contains(t, tampered.Detail, segments[0].File)
				require.EqualValues(t, 1, tampered.From)
				require.EqualValues(t, segments[0].Last, tampered.To)
			}
		})
	}
}

// patch changes one byte.
func patch(t *testing.T, file string, at int) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text[at] ^= 1
	require.NoError(t, os.WriteFile(file, text, 0o600))
}
