package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// aged is a log of three tiles that began two months before its second: of that one an
// entry in the middle is the youngest, for clocks differ. It returns when that was made.
func aged(t *testing.T, dsn string) (*DB, Config, time.Time) {
	t.Helper()
	cfg := config(t, dsn)
	cfg.Retention.Archive = filepath.Join(t.TempDir(), "archive")
	began := time.UnixMilli(time.Now().UnixMilli())
	youngest := began.Add(2 * segmentWaits)
	now := began
	cfg.Now = func() time.Time { return now }
	d := open(t, cfg)
	more(t, d, audit.TileWidth)
	_, err := d.SignCheckpoint(t.Context())
	require.NoError(t, err)
	now = youngest.Add(-maxSkew / 2)
	more(t, d, 100)
	now = youngest
	more(t, d, 1)
	now = youngest.Add(-maxSkew / 2)
	more(t, d, audit.TileWidth-101+10)
	_, err = d.SignCheckpoint(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2*audit.TileWidth+10, d.LogSize())
	return d, cfg, youngest
}

// No entry goes that is not older than six years, whatever the entries around it are: one
// that is too young keeps its tile, and all that follow, in the database.
func TestArchiveTooYoung(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, _, youngest := aged(t, dsn)
		for _, tt := range []struct {
			limit time.Time
			last  int64
		}{
			{youngest.Add(-maxSkew / 4), audit.TileWidth},
			{youngest, audit.TileWidth},
			{youngest.Add(time.Millisecond), 2 * audit.TileWidth},
		} {
			a, err := d.archiver(t.Context(), tt.limit.Add(SixYears))
			require.NoError(t, err)
			require.Equal(t, tt.last, a.last, "entries up to %d go, and the youngest is %s older than six years", a.last, tt.limit.Sub(youngest))
		}
		require.NoError(t, d.ArchiveLog(t.Context(), youngest.Add(SixYears)))
		require.Equal(t, audit.TileWidth+10+1, remaining(t, d, "audit"), "entries that are too young have gone")
		verify(t, d)
	})
}

// The last entry of all stays in the database, also where whole tiles end with it: the
// log goes on from its row.
func TestArchiveKeepsLast(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, _, later := old(t, dsn, 2*audit.TileWidth)
		a, err := d.archiver(t.Context(), later)
		require.NoError(t, err)
		require.EqualValues(t, audit.TileWidth, a.last, "the last entry of the log goes")
		more(t, d, 1)
		a, err = d.archiver(t.Context(), later)
		require.NoError(t, err)
		require.EqualValues(t, 2*audit.TileWidth, a.last)
	})
}

// Of two that archive at once one puts his segment on record, also where the other would
// take more: segments neither overlap nor leave a gap.
func TestArchiversMeet(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, _, youngest := aged(t, dsn)
		var both []*archiver
		for _, limit := range []time.Time{youngest, youngest.Add(time.Second)} {
			a, err := d.archiver(t.Context(), limit.Add(SixYears))
			require.NoError(t, err)
			both = append(both, a)
			for _, step := range []func(*archiver) error{
				func(a *archiver) error { return a.write(t.Context()) },
				func(a *archiver) error { return a.name(t.Context()) },
				func(a *archiver) error { return a.verify(t.Context()) },
			} {
				require.NoError(t, step(a))
			}
		}
		require.NoError(t, both[0].record(t.Context()))
		require.ErrorIs(t, both[0].record(t.Context()), ErrExists)
		require.ErrorIs(t, both[1].record(t.Context()), ErrExists, "segments overlap")
		require.NoError(t, both[1].forget(t.Context()))
		require.EqualValues(t, d.LogSize()-audit.TileWidth, remaining(t, d, "audit"), "rows have gone that no segment on record holds")
		verify(t, d)
	})
}

// A file that does not read back as what was written is not put on record, and no row
// goes for it.
func TestArchiveReadBack(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, _, youngest := aged(t, dsn)
		long, err := d.archiver(t.Context(), youngest.Add(time.Second+SixYears))
		require.NoError(t, err)
		a, err := d.archiver(t.Context(), youngest.Add(SixYears))
		require.NoError(t, err)
		require.NoError(t, long.write(t.Context()))
		require.NoError(t, os.WriteFile(a.path(unfinished), make([]byte, 1<<20), 0o600)) // of a run that was cut off
		require.NoError(t, a.write(t.Context()))
		require.NoError(t, a.name(t.Context()))
		require.NoError(t, a.verify(t.Context()))
		patch(t, a.path(""), 20_000)
		require.Error(t, a.verify(t.Context()), "a changed file passes")
		require.NoError(t, os.Rename(long.path(unfinished), a.path("")))
		require.ErrorContains(t, a.verify(t.Context()), "holds the entries 1 to 512")
	})
}

// The tiles tell the hashes of what is archived, on both sides of the border and across
// it; they are those of the entries. Files are not asked.
func TestArchivedHashes(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, cfg, later := old(t, dsn, 3*audit.TileWidth+10)
		records, err := source(t, d).Records(t.Context(), 0, 4*audit.TileWidth)
		require.NoError(t, err)
		require.NoError(t, d.ArchiveLog(t.Context(), later))
		require.NoError(t, os.RemoveAll(cfg.Retention.Archive))
		s := source(t, d)
		border := int64(3 * audit.TileWidth)
		for _, tt := range [][2]int64{{0, 1}, {0, border}, {5, 300}, {255, 257}, {border - 1, border}, {border - 3, border + 5}, {border, border + 5}, {7, 7}} {
			hashes, err := s.Hashes(t.Context(), tt[0], tt[1])
			require.NoError(t, err)
			require.Len(t, hashes, int(tt[1]-tt[0]), "the hashes of entries %d to %d", tt[0]+1, tt[1])
			for i, h := range hashes {
				require.Equal(t, records[tt[0]+int64(i)].Hash, h, "the hash of entry %d", tt[0]+int64(i)+1)
			}
		}
	})
}
