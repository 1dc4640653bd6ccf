package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// opening is a step that opens an alert.
func opening(epoch, id int64, key string) AlertStep {
	return AlertStep{
		Epoch: epoch, At: time.UnixMilli(1000 * id).UTC(), Positions: map[string]int64{"": 10 * id},
		Changes: []AlertChange{{Alert: Alert{ID: id, Rule: "A01", Key: key, Severity: 4, Opened: time.UnixMilli(id).UTC(), Body: []byte("body of " + key)}, Opens: true}},
		Events:  []audit.Event{{Action: "alert.open", Actor: "self", Outcome: "ok"}},
	}
}

// An alert, its entry, and how far the log was read for it are on record together, or not
// at all; whoever has lost the watch records nothing more, and one finding is one alert.
func TestAlerts(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		w, err := d.TakeWatch(ctx, "ca-1")
		require.NoError(t, err)
		require.Equal(t, Watch{Epoch: 1, Holder: "ca-1", Positions: map[string]int64{}}, w)
		step := opening(1, 1, "device/a")
		step.Actions = []AlertAction{{Alert: 1, Action: "suspend", Subject: "device/a"}}
		before := d.LogSize()
		require.NoError(t, d.RecordAlerts(ctx, step))
		require.Equal(t, before+1, d.LogSize())
		require.ErrorIs(t, d.RecordAlerts(ctx, opening(1, 2, "device/a")), ErrStale, "the same finding")
		require.ErrorIs(t, d.RecordAlerts(ctx, opening(1, 1, "device/b")), ErrStale, "the same number")
		require.NoError(t, d.RecordAlerts(ctx, opening(1, 3, "device/b")))

		got, err := d.Alert(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, Alert{ID: 1, Severity: 4, State: AlertOpen, Opened: time.UnixMilli(1).UTC(), Body: []byte("body of device/a")}, got)
		must(t, d, func(tx *Tx) { tx.AcknowledgeAlert(1, "auditor/cleo", "seen") })
		count := AlertStep{Epoch: 1, At: time.UnixMilli(3000).UTC(), Changes: []AlertChange{{Alert: Alert{ID: 1, Severity: 3, Body: []byte("again")}}}, Events: []audit.Event{event()}}
		require.NoError(t, d.RecordAlerts(ctx, count))
		got, err = d.Alert(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, []any{AlertAcknowledged, "auditor/cleo", "seen", "again", 3}, []any{got.State, got.By, got.Word, string(got.Body), got.Severity})
		require.NotNil(t, got.Acknowledged)

		todo, err := d.AlertActions(ctx, 10)
		require.NoError(t, err)
		require.Len(t, todo, 1)
		require.Equal(t, "device/a", todo[0].Subject)

		w, err = d.TakeWatch(ctx, "ca-2")
		require.NoError(t, err)
		require.Equal(t, Watch{Epoch: 2, Holder: "ca-2", LastID: 3, At: time.UnixMilli(3000).UTC(), Positions: map[string]int64{"": 30}}, w)
		size := d.LogSize()
		require.ErrorIs(t, d.RecordAlerts(ctx, opening(1, 4, "device/c")), ErrStale, "it has lost the watch")
		require.Equal(t, size, d.LogSize())

		list, next, err := d.Alerts(ctx, true, Page{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, int64(3), list[0].ID)
		list, next, err = d.Alerts(ctx, true, Page{Limit: 1, After: next})
		require.NoError(t, err)
		require.Empty(t, next)
		require.Equal(t, int64(1), list[0].ID)

		over := AlertStep{Epoch: 2, Changes: []AlertChange{{Alert: Alert{ID: 1, Severity: 3, Body: []byte("over")}, Resolves: true}}, Events: []audit.Event{event()}}
		require.NoError(t, d.RecordAlerts(ctx, over))
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.AcknowledgeAlert(1, "auditor/cleo", "late") }), ErrStale)
		todo, err = d.AlertActions(ctx, 10)
		require.NoError(t, err)
		require.Empty(t, todo, "there is nothing to do about what is over")
		counts, err := d.AlertCounts(ctx)
		require.NoError(t, err)
		require.Equal(t, map[int]int64{4: 1}, counts)
		require.NoError(t, d.RecordAlerts(ctx, opening(2, 4, "device/a")), "it may come again")
		list, _, err = d.Alerts(ctx, false, Page{})
		require.NoError(t, err)
		require.Len(t, list, 3)

		require.NoError(t, d.PruneAlerts(ctx, time.Now().Add(time.Hour), 100))
		_, err = d.Alert(ctx, 1)
		require.ErrorIs(t, err, ErrNotFound)
		list, _, err = d.Alerts(ctx, true, Page{})
		require.NoError(t, err)
		require.Len(t, list, 2, "what is open stays")
	})
}

// What an alert says is not to be read in the database.
func TestAlertIsSealed(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	_, err := d.TakeWatch(t.Context(), "ca-1")
	require.NoError(t, err)
	require.NoError(t, d.RecordAlerts(t.Context(), opening(1, 1, "device/a")))
	var key, body []byte
	require.NoError(t, d.reads.row(t.Context(), `SELECT w.key, w.body FROM alerts w WHERE w.id = $1`, []any{1}, &key, &body))
	require.NotContains(t, string(body), "device/a")
	require.Len(t, key, 16)
}

// A snapshot counts when it is there as a whole; until then the one before does, and what
// a crash has left of one is cleared away.
func TestSnapshot(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		w, err := d.TakeWatch(ctx, "ca-1")
		require.NoError(t, err)
		_, err = d.Snapshot(ctx, w)
		require.ErrorIs(t, err, ErrNotFound)
		kept := func() []byte {
			w, err := d.TakeWatch(ctx, "ca-1")
			require.NoError(t, err)
			b, err := d.Snapshot(ctx, w)
			require.NoError(t, err)
			return b
		}
		first, second := bytes.Repeat([]byte("one"), snapshotPart), bytes.Repeat([]byte("two"), 3)
		require.NoError(t, d.SaveSnapshot(ctx, 1, first))
		require.True(t, bytes.Equal(first, kept()))
		require.ErrorIs(t, d.SaveSnapshot(ctx, 1, second), ErrStale, "it has lost the watch")
		require.ErrorIs(t, d.SaveSnapshot(ctx, 1, nil), ErrStale, "with nothing to keep, too")
		require.True(t, bytes.Equal(first, kept()))
		require.NoError(t, d.Relaxed(ctx, func(tx *RelaxedTx) {
			for part := range 3 {
				tx.demand(1, ErrExists, `INSERT INTO alert_snapshots (snapshot, part, body) VALUES ($1, $2, $3)`, 2, part, []byte("torn"))
			}
		}))
		require.True(t, bytes.Equal(first, kept()))
		require.NoError(t, d.SaveSnapshot(ctx, 4, second))
		require.Equal(t, second, kept())
		var rows int
		require.NoError(t, d.reads.row(ctx, `SELECT COUNT(*) FROM alert_snapshots s WHERE s.snapshot > $1`, []any{0}, &rows))
		require.Equal(t, 2, rows, "it, and what the next is written over")
		for _, b := range [][]byte{first, second, first, first} {
			w, err := d.TakeWatch(ctx, "ca-1")
			require.NoError(t, err)
			require.NoError(t, d.SaveSnapshot(ctx, w.Epoch, b))
			require.True(t, bytes.Equal(b, kept()))
		}
	})
}

// Snapshots are written over those before, so that they leave no free pages in an SQLite
// file for other rows to be scattered over.
func TestSnapshotsLeaveNoHoles(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	w, err := d.TakeWatch(t.Context(), "ca-1")
	require.NoError(t, err)
	b := bytes.Repeat([]byte("some"), snapshotPart)
	free := func() (n int) {
		require.NoError(t, d.reads.row(t.Context(), `PRAGMA freelist_count`, nil, &n))
		return n
	}
	for range 4 {
		require.NoError(t, d.SaveSnapshot(t.Context(), w.Epoch, b))
	}
	before := free()
	for range 12 {
		require.NoError(t, d.SaveSnapshot(t.Context(), w.Epoch, b))
	}
	require.Equal(t, before, free())
}

// Whoever follows the log gets each entry once, in order, and opened, also with a data key
// that another process has made since.
func TestEntriesAfter(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		for range 5 {
			must(t, d, func(*Tx) {})
		}
		var seen []int64
		for at := int64(0); ; {
			page, err := d.EntriesAfter(ctx, at, 2)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				require.Equal(t, "uid:0", e.Actor)
				require.Equal(t, "ok", e.Outcome)
				at, seen = e.Seq, append(seen, e.Seq)
			}
		}
		require.Equal(t, d.LogSize(), int64(len(seen)))
		require.Equal(t, d.LogSize(), seen[len(seen)-1])

		d.log.keyring.Store(audit.NewKeyring()) // as if it were of another process
		page, err := d.EntriesAfter(ctx, 0, 100)
		require.NoError(t, err)
		require.Equal(t, "uid:0", page[0].Actor)

		tamper(t, d, `UPDATE audit SET action = 'test.other' WHERE seq = 2`)
		page, err = d.EntriesAfter(ctx, 1, 1)
		require.NoError(t, err)
		require.Contains(t, page[0].Outcome, "unreadable")
	})
}
