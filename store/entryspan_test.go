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
		d.add(begin, "uid:0", maxOpened+500)
		d.add(begin.Add(12*time.Hour), "uid:0", 3)
		d.add(begin.Add(24*time.Hour), "uid:0", maxOpened+500)
		for _, f := range []AuditFilter{
			{Actor: "uid:0", Since: begin.Add(11 * time.Hour), Until: begin.Add(13 * time.Hour)},
			{Subject: "device/a", Since: begin.Add(11 * time.Hour), Until: begin.Add(13 * time.Hour)},
		} {
			entries, next, err := d.db.AuditEntries(t.Context(), f, Page{})
			require.NoError(t, err)
			require.Empty(t, next)
			require.Len(t, entries, 3)
			require.EqualValues(t, maxOpened+503, entries[0].Seq)
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
