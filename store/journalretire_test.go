package store

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// shippedAt has a journal of that origin, begun if it is not there, grow by a batch of n
// entries at a time.
func shippedAt(t *testing.T, d *DB, origin string, n int, at time.Time) {
	t.Helper()
	d.cfg.Now = func() time.Time { return at }
	j, err := d.JournalOf(t.Context(), origin)
	if isNotFound(err) {
		must(t, d, func(tx *Tx) {
			tx.InsertJournal(Journal{Origin: origin, Identity: "device/a", Key: "k", Statement: []byte("{}")})
		})
		j, err = d.JournalOf(t.Context(), origin)
	}
	require.NoError(t, err)
	f, err := audit.ParseFrontier(j.Size, j.Frontier)
	require.NoError(t, err)
	b := JournalBatch{First: j.Size + 1, Last: j.Size + int64(n), Earliest: at, Latest: at}
	for range n {
		leaf := make([]byte, 1000)
		b.Frames = audit.AppendFrame(b.Frames, tlog.RecordHash(leaf), leaf)
		f.Append(tlog.RecordHash(leaf))
	}
	before := j.Size
	j.Size, j.Frontier = f.Size(), f.Bytes()
	require.NoError(t, d.Durable(t.Context(), func(tx *RelaxedTx) { tx.ExtendJournal(before, j, b, nil) }))
}

// firstKept returns the first entry of a journal that is still there; 0: none is.
func firstKept(t *testing.T, d *DB, origin string) int64 {
	t.Helper()
	b, err := d.NextJournalBatch(t.Context(), origin, 0, time.Time{})
	if isNotFound(err) {
		return 0
	}
	require.NoError(t, err)
	return b.First
}

// What came six years ago leaves the archive, a month's worth at a time, from the front
// and no further: the log says of which journal, up to which entry, and the room counts
// again. The journal goes on.
func TestRetireJournals(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		begin := time.Now().UTC().Truncate(time.Millisecond)
		for i := range 40 { // two batches a day
			shippedAt(t, d, "h/device/a/journal/1", 2, begin.Add(time.Duration(i)*12*time.Hour))
		}
		shippedAt(t, d, "h/device/a/journal/2", 5, begin.Add(10*day))
		held := func() ArchiveContent {
			c, err := d.ArchiveContent(t.Context())
			require.NoError(t, err)
			return c
		}
		all := held()
		require.EqualValues(t, 85, all.Records)
		require.Equal(t, begin, all.Oldest)
		retire := func(after time.Duration) {
			d.cfg.Now = func() time.Time { return begin.Add(after) }
			require.NoError(t, d.RetireJournals(t.Context(), begin.Add(after)))
		}
		retire(SixYears + 29*day)
		require.Equal(t, all, held(), "it waits until it is worth an entry of the log")

		d.KeepFor("siem", "file")
		must(t, d, func(tx *Tx) { tx.PassDelivery("siem", "h/device/a/journal/1", 0, 80) })
		retire(SixYears + 31*day)
		require.Equal(t, all, held(), "the file has taken nothing")
		must(t, d, func(tx *Tx) { tx.PassDelivery("file", "h/device/a/journal/1", 0, 1) })
		retire(SixYears + 31*day)
		require.Equal(t, all, held(), "nor all of the first batch")
		must(t, d, func(tx *Tx) { tx.PassDelivery("file", "h/device/a/journal/1", 1, 80) })
		retire(SixYears + 31*day)
		require.Zero(t, firstKept(t, d, "h/device/a/journal/1"))
		require.EqualValues(t, 1, firstKept(t, d, "h/device/a/journal/2"))
		require.EqualValues(t, 5, held().Records)
		require.Equal(t, begin.Add(10*day), held().Oldest)
		require.Less(t, held().Bytes, all.Bytes-80*1000)
		entries, _, err := d.AuditEntries(t.Context(), AuditFilter{Action: "journal.retire"}, Page{})
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, "device/a", entries[0].Subject)
		require.Equal(t, "80", entries[0].Detail["last"].(interface{ String() string }).String())

		shippedAt(t, d, "h/device/a/journal/1", 3, begin.Add(SixYears+32*day))
		require.EqualValues(t, 81, firstKept(t, d, "h/device/a/journal/1"))
		require.Equal(t, held().Bytes, taken(t, d))
		verify(t, d)
	})
}

// taken computes anew what is counted as the batches go.
func taken(t *testing.T, d *DB) (bytes int64) {
	t.Helper()
	require.NoError(t, d.reads.db.QueryRowContext(t.Context(), `
		SELECT (SELECT SUM(256 + LENGTH(statement)) FROM journals) + (SELECT SUM(256 + LENGTH(frames)) FROM journal_batches)`).Scan(&bytes))
	return bytes
}

// Only what is older leaves: of a journal of seven years the last six stay. Where a run
// was cut off before the batches went, the next one removes them, and says nothing twice.
func TestRetireHalf(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		begin := time.Now().UTC().Truncate(time.Millisecond)
		const origin = "h/device/a/journal/1"
		for i := range 14 {
			shippedAt(t, d, origin, 10, begin.Add(time.Duration(i)*183*day))
		}
		now := begin.Add(SixYears + 400*day)
		j, err := d.JournalOf(t.Context(), origin)
		require.NoError(t, err)
		after, err := d.retired(t.Context(), j, now.Add(-SixYears), math.MaxInt64)
		require.NoError(t, err)
		require.EqualValues(t, 30, after.Removed, "those of day 0, 183 and 366")
		must(t, d, func(tx *Tx) { // and then it was killed
			tx.demand(1, ErrStale, `UPDATE journals SET removed = $1, removed_frontier = $2 WHERE origin = $3`, after.Removed, after.RemovedFrontier, origin)
		})
		require.NoError(t, d.RetireJournals(t.Context(), now))
		require.EqualValues(t, 31, firstKept(t, d, origin))
		entries, _, err := d.AuditEntries(t.Context(), AuditFilter{Action: "journal.retire"}, Page{})
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}

// A time that is shorter than six years takes two words, and what nobody noted the coming
// of has come now.
func TestRecordsRetention(t *testing.T) {
	for _, tt := range []struct {
		keep Retention
		want time.Duration
	}{
		{Retention{}, SixYears}, {Retention{Records: day}, SixYears}, {Retention{Records: 7 * 366 * day}, 7 * 366 * day},
		{Retention{ShortRecords: true}, SixYears}, {Retention{Records: day, ShortRecords: true}, day},
	} {
		require.Equal(t, tt.want, tt.keep.KeepsRecords())
	}
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now()
		d.keep.Records = day
		shippedAt(t, d, "h/device/a/journal/1", 2, now)
		relax(t, d, func(tx *RelaxedTx) { tx.demand(1, ErrStale, `UPDATE journal_batches SET received_at = NULL`) })
		later := now.Add(50 * day)
		require.NoError(t, d.RetireJournals(t.Context(), later))
		require.EqualValues(t, 1, firstKept(t, d, "h/device/a/journal/1"))
		require.NoError(t, d.RetireJournals(t.Context(), later.Add(32*day)))
		require.Zero(t, firstKept(t, d, "h/device/a/journal/1"))
	})
}
