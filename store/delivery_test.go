package store

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

func begin(d *DB, sink string, all bool) error {
	return update(d, func(tx *Tx) { tx.BeginDelivery(sink, all) })
}

func move(d *DB, sink, log string, from, to int64) error {
	return d.Relaxed(context.Background(), func(tx *RelaxedTx) { tx.MoveDelivery(sink, log, from, to) })
}

// shipped puts a journal on record of which so many entries came.
func shipped(t *testing.T, d *DB, origin, identity string, entries int64) {
	t.Helper()
	must(t, d, func(tx *Tx) {
		tx.InsertJournal(Journal{Origin: origin, Identity: identity, Key: "k", Statement: []byte("{}")})
	})
	relax(t, d, func(tx *RelaxedTx) {
		tx.ExtendJournal(0, Journal{Origin: origin, Identity: identity, Size: entries, Frontier: []byte{1}},
			JournalBatch{First: 1, Last: entries, Earliest: time.Now(), Latest: time.Now(), Frames: []byte{1}}, nil)
	})
}

// A sink begins once, with all there is or with what comes; what it has taken moves
// forward, by whoever knew where it was, and never back.
func TestDelivery(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		more(t, d, 3)
		shipped(t, d, "h/gateway/a/journal/1", "gateway/a", 10)
		require.NoError(t, begin(d, "all", true))
		require.ErrorIs(t, begin(d, "all", false), ErrExists)
		end := d.LogSize()
		require.NoError(t, begin(d, "new", false))
		shipped(t, d, "h/gateway/b/journal/1", "gateway/b", 4)

		at := func(sink, log string) int64 {
			seq, err := d.Delivered(t.Context(), sink, log)
			require.NoError(t, err)
			return seq
		}
		require.Zero(t, at("all", OwnLog))
		require.Equal(t, end, at("new", OwnLog))
		waiting := func(sink, after string, limit int) (all []WaitingJournal) {
			all, err := d.WaitingJournals(t.Context(), sink, after, limit)
			require.NoError(t, err)
			return all
		}
		require.Equal(t, []WaitingJournal{{"h/gateway/a/journal/1", "gateway/a", 0, 10}, {"h/gateway/b/journal/1", "gateway/b", 0, 4}}, waiting("all", "", 5))
		require.Len(t, waiting("all", "", 1), 1)
		require.Len(t, waiting("all", "h/gateway/a/journal/1", 5), 1)
		require.Equal(t, []WaitingJournal{{"h/gateway/b/journal/1", "gateway/b", 0, 4}}, waiting("new", "", 5))

		for _, log := range []string{OwnLog, "h/gateway/a/journal/1"} {
			require.NoError(t, move(d, "all", log, 0, 2))
			require.ErrorIs(t, move(d, "all", log, 0, 3), ErrStale, "somebody else moved it")
			require.ErrorIs(t, move(d, "all", log, 2, 1), ErrStale, "never back")
			require.EqualValues(t, 2, at("all", log))
		}
		var won int
		for _, err := range parallel(8, func(i int) error { return move(d, "all", OwnLog, 2, 3+int64(i%2)) }) {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, ErrStale)
		}
		require.Equal(t, 1, won)
		size := d.LogSize()
		require.NoError(t, update(d, func(tx *Tx) { tx.PassDelivery("new", "h/gateway/b/journal/1", 0, 4) }))
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.PassDelivery("new", "h/gateway/b/journal/1", 0, 4) }), ErrStale)
		require.Equal(t, size+1, d.LogSize(), "who passed it over says so once")
		require.Empty(t, waiting("new", "", 5))
	})
}

// What a sink has not taken is counted, from when it came; what happened to the sink is
// known, and since when.
func TestBacklog(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now().UTC().Truncate(time.Millisecond)
		d.cfg.Now = func() time.Time { return now }
		require.NoError(t, begin(d, "siem", false))
		backlog := func(journals bool) Backlog {
			b, err := d.Backlog(t.Context(), "siem", journals)
			require.NoError(t, err)
			return b
		}
		end := d.LogSize()
		require.NoError(t, move(d, "siem", OwnLog, end-1, end))
		require.Zero(t, backlog(true))
		first := now
		now = now.Add(time.Second)
		shipped(t, d, "h/gateway/a/journal/1", "gateway/a", 10)
		came := now
		now = now.Add(time.Second)
		more(t, d, 2)
		require.Equal(t, Backlog{3, came}, backlog(false), "two entries, and that a journal began")
		require.Equal(t, Backlog{13, came}, backlog(true))
		require.NoError(t, move(d, "siem", OwnLog, end, end+3))
		require.NoError(t, move(d, "siem", "h/gateway/a/journal/1", 0, 7))
		require.Equal(t, Backlog{3, came}, backlog(true), "the rest of its batch came then")

		relax(t, d, func(tx *RelaxedTx) { tx.FailDelivery("siem", "refused") })
		failed := now
		now = now.Add(time.Minute)
		relax(t, d, func(tx *RelaxedTx) { tx.FailDelivery("siem", "timeout") })
		all, err := d.Deliveries(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Delivery{{Sink: "siem", Begun: first, Failing: failed, Trouble: "timeout"}}, all)
		relax(t, d, func(tx *RelaxedTx) { tx.FailDelivery("siem", "") })
		all, err = d.Deliveries(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Delivery{{Sink: "siem", Begun: first}}, all)
		relax(t, d, func(tx *RelaxedTx) { tx.FailDelivery("siem", "again"); tx.ToldDelivery("siem") })
		all, err = d.Deliveries(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Delivery{{Sink: "siem", Begun: first, Told: now}}, all)
		require.ErrorIs(t, d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.ToldDelivery("other") }), ErrNotFound)
	})
}

// A tail reads each entry once, opened and in order, across the archive's border and as
// the log grows. A file of the archive that is gone stops it: it leaves nothing out.
func TestTail(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, cfg, later := old(t, dsn, 2*audit.TileWidth+10)
		require.NoError(t, d.ArchiveLog(t.Context(), later))
		tail := d.Tail()
		defer tail.Close()
		var at int64
		read := func() {
			t.Helper()
			for {
				entries, err := tail.Entries(t.Context(), at, 100)
				require.NoError(t, err)
				if len(entries) == 0 {
					break
				}
				require.LessOrEqual(t, len(entries), 100)
				for _, e := range entries {
					at++
					require.Equal(t, at, e.Seq)
					require.NotZero(t, e.Hash)
					require.NotEmpty(t, e.Actor)
				}
			}
			end, err := d.LogEnd(t.Context())
			require.NoError(t, err)
			require.Equal(t, end, at)
		}
		read()
		more(t, d, 5)
		read()

		segments, err := d.Segments(t.Context())
		require.NoError(t, err)
		file := filepath.Join(cfg.Retention.Archive, segments[0].File)
		require.NoError(t, os.Rename(file, file+".away"))
		for _, after := range []int64{0, 300} {
			_, err = tail.Entries(t.Context(), after, 100)
			require.ErrorIs(t, err, os.ErrNotExist)
		}
		require.NoError(t, os.Rename(file+".away", file))
		at = 300
		read()
	})
}
