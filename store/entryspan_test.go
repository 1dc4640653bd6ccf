package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A dater puts entries into a log, dated as it likes.
type dater struct {
	t   *testing.T
	db  *DB
	now atomic.Int64 // Unix milliseconds
}

// eachDater runs f on an empty log of each engine.
func eachDater(t *testing.T, f func(t *testing.T, d *dater)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d := &dater{t: t}
		d.now.Store(time.Now().UnixMilli())
		cfg := config(t, dsn)
		cfg.Now = func() time.Time { return fromMillis(d.now.Load()) }
		d.db = open(t, cfg)
		f(t, d)
	})
}

// add adds n entries of an actor, all of one time.
func (d *dater) add(at time.Time, actor string, n int) {
	d.t.Helper()
	d.now.Store(at.UnixMilli())
	for ; n > 0; n -= 500 {
		require.NoError(d.t, d.db.UpdateMany(d.t.Context(), func(context.Context, *AloneTx) ([]audit.Event, error) {
			all := make([]audit.Event, min(n, 500))
			for i := range all {
				all[i] = audit.Event{Actor: actor, Action: "identity.revoke", Subject: "device/a", Outcome: "ok"}
			}
			return all, nil
		}))
	}
}

// What a party did in a time is found at once, and known to be all, however much it did
// before and after.
func TestEntriesOfPartyInTime(t *testing.T) {
	eachDater(t, func(t *testing.T, d *dater) {
		begin := time.Now().Add(-48 * time.Hour).Truncate(time.Hour)
		d.add(begin, "uid:0", maxPassed+500)
		d.add(begin.Add(12*time.Hour), "uid:0", 3)
		d.add(begin.Add(24*time.Hour), "uid:0", maxPassed+500)
		for _, f := range []AuditFilter{
			{Actor: "uid:0", Since: begin.Add(11 * time.Hour), Until: begin.Add(13 * time.Hour)},
			{Subject: "device/a", Since: begin.Add(11 * time.Hour), Until: begin.Add(13 * time.Hour)},
		} {
			entries, next, err := d.db.AuditEntries(t.Context(), f, Page{})
			require.NoError(t, err)
			require.Empty(t, next)
			require.Len(t, entries, 3)
			require.EqualValues(t, maxPassed+503, entries[0].Seq)
		}
	})
}

// Clocks of processes differ as far as they may, and some were wrong when they revoked:
// what others did is in its time.
func TestSpanIsNeverShort(t *testing.T) {
	eachDater(t, func(t *testing.T, d *dater) {
		const many = 3 * spanNeighbours
		begin := time.Now().Add(-48 * time.Hour).Truncate(time.Hour)
		for _, e := range []struct {
			at    time.Duration
			actor string
			n     int
		}{
			{6 * time.Hour, "uid:1", many}, // a clock that was wrong
			{maxSkew, "uid:0", 1},
			{-time.Minute, "uid:1", many},
			{maxSkew - time.Minute, "uid:2", many},
			{-maxSkew, "uid:0", 1},
			{61 * time.Minute, "uid:2", many},
			{60 * time.Minute, "uid:0", 1},
			{-24 * time.Hour, "uid:1", many}, // and another one
		} {
			d.add(begin.Add(e.at), e.actor, e.n)
		}
		for _, tt := range []struct {
			since, until time.Duration
			want         int
		}{
			{-36 * time.Hour, 36 * time.Hour, 3},
			{-2 * time.Hour, 36 * time.Hour, 3},
			{-36 * time.Hour, 2 * time.Hour, 3},
			{-maxSkew, maxSkew + time.Millisecond, 2},
			{-36 * time.Hour, 0, 1},
			{0, 36 * time.Hour, 2},
			{maxSkew + time.Millisecond, 8 * time.Hour, 1},
			{2 * time.Hour, 36 * time.Hour, 0},
		} {
			f := AuditFilter{Actor: "uid:0", Since: begin.Add(tt.since), Until: begin.Add(tt.until)}
			entries, _, err := d.db.AuditEntries(t.Context(), f, Page{})
			require.NoError(t, err)
			require.Len(t, entries, tt.want, "%+v", tt)
		}
	})
}

// A week of the log is found without reading the rest of it: all of the week, and little
// else. Where there is nothing, there is nothing.
func TestEntriesBetween(t *testing.T) {
	eachDater(t, func(t *testing.T, d *dater) {
		begin := time.Now().Add(-48 * time.Hour).Truncate(time.Hour)
		size := func() int64 { return d.db.LogSize() }
		d.add(begin, "uid:0", 500)
		before := size()
		d.add(begin.Add(12*time.Hour), "uid:0", 300)
		within := size()
		d.add(begin.Add(24*time.Hour), "uid:0", 500)

		between := func(since, until time.Duration) (int64, int64) {
			first, last, err := d.db.EntriesBetween(t.Context(), begin.Add(since), begin.Add(until))
			require.NoError(t, err)
			return first, last
		}
		first, last := between(11*time.Hour, 13*time.Hour)
		require.LessOrEqual(t, first, before+1)
		require.Greater(t, first, before-2*spanNeighbours)
		require.GreaterOrEqual(t, last, within)
		require.Less(t, last, within+2*spanNeighbours)
		first, last = between(-time.Hour, 100*time.Hour)
		require.Equal(t, [2]int64{1, size()}, [2]int64{first, last})
		for _, none := range [][2]time.Duration{{25 * time.Hour, 26 * time.Hour}, {-26 * time.Hour, -25 * time.Hour}} {
			first, last = between(none[0], none[1])
			require.Less(t, last, first)
		}
		first, last, err := d.db.EntriesBetween(t.Context(), time.Time{}, time.Time{})
		require.NoError(t, err)
		require.Equal(t, [2]int64{1, size()}, [2]int64{first, last})

		counts, err := d.db.ActionCounts(t.Context(), begin.Add(time.Hour), begin.Add(24*time.Hour))
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"identity.revoke": 300}, counts)
	})
}
