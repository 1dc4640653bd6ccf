package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// A journal's batches follow each other, each once; what does not follow, or is of one
// that forked, is not taken. Its keys are kept wrapped, and open its entries.
func TestJournals(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		begin := func(origin, identity string) error {
			return update(d, func(tx *Tx) {
				tx.InsertJournal(Journal{Origin: origin, Identity: identity, Key: "k", Statement: []byte("{}")})
			})
		}
		for _, x := range [][2]string{{"h/device/a/journal/1", "device/a"}, {"h/device/b/journal/1", "device/b"}, {"h/device/a/journal/2", "device/a"}} {
			require.NoError(t, begin(x[0], x[1]))
			require.ErrorIs(t, begin(x[0], x[1]), ErrExists)
		}
		origin := "h/device/a/journal/1"
		j, err := d.JournalOf(t.Context(), origin)
		require.NoError(t, err)
		require.Equal(t, "device/a", j.Identity)
		require.Zero(t, j.Size)
		require.Empty(t, j.Frontier)
		require.Nil(t, j.Forked)
		_, err = d.JournalOf(t.Context(), "x")
		require.ErrorIs(t, err, ErrNotFound)

		ages, err := d.LogKeys(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.ReplaceWrappingKey(t.Context(), ages.Wrapped))
		data := audit.NewDataKey()
		sealed, err := data.SealFor(d.ReaderKey())
		require.NoError(t, err)
		key, err := d.OpenJournalKey(t.Context(), data.ID, sealed)
		require.NoError(t, err)
		w, err := d.wrappings(t.Context(), d.reads.query)
		require.NoError(t, err)
		require.True(t, w.current(key.Wrapped), "as the log's own data keys are")
		at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
		extend := func(before, last int64) error {
			return d.Relaxed(t.Context(), func(tx *RelaxedTx) {
				tx.ExtendJournal(before, Journal{Origin: origin, Size: last, Frontier: []byte{byte(last)}, Checkpoint: "c"},
					JournalBatch{First: before + 1, Last: last, Earliest: at.Add(time.Duration(before) * time.Second), Latest: at.Add(time.Duration(last) * time.Second), Frames: []byte{1, 2}},
					[]JournalKey{key})
			})
		}
		require.NoError(t, extend(0, 10))
		require.ErrorIs(t, extend(0, 12), ErrStale)
		require.ErrorIs(t, extend(11, 12), ErrStale)
		var ok int
		for _, err := range parallel(8, func(int) error { return extend(10, 20) }) {
			if err == nil {
				ok++
				continue
			}
			require.ErrorIs(t, err, ErrStale)
		}
		require.Equal(t, 1, ok)
		j, err = d.JournalOf(t.Context(), origin)
		require.NoError(t, err)
		require.EqualValues(t, 20, j.Size)
		require.Equal(t, []byte{20}, j.Frontier)
		require.Equal(t, "c", j.Checkpoint)

		b, err := d.NextJournalBatch(t.Context(), origin, 0, time.Time{})
		require.NoError(t, err)
		require.Equal(t, JournalBatch{1, 10, at, at.Add(10 * time.Second), []byte{1, 2}}, b)
		b, err = d.NextJournalBatch(t.Context(), origin, 0, at.Add(11*time.Second))
		require.NoError(t, err)
		require.EqualValues(t, 11, b.First)
		_, err = d.NextJournalBatch(t.Context(), origin, 20, time.Time{})
		require.ErrorIs(t, err, ErrNotFound)

		ring, err := d.JournalKeyring(t.Context(), origin)
		require.NoError(t, err)
		row, err := audit.NewSealer(audit.NewKeys(audit.NewMaster()), data).Seal(1, at, audit.Event{Action: "a", Actor: "x"})
		require.NoError(t, err)
		e, err := ring.Open(row.Leaf)
		require.NoError(t, err)
		require.Equal(t, "x", e.Actor)

		all, err := d.Journals(t.Context(), "", "", 2)
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, "h/device/a/journal/2", all[1].Origin)
		all, err = d.Journals(t.Context(), "device/a", "h/device/a/journal/1", 2)
		require.NoError(t, err)
		require.Len(t, all, 1)

		fork := func() error { return update(d, func(tx *Tx) { tx.ForkJournal(origin) }) }
		require.NoError(t, fork())
		require.ErrorIs(t, fork(), ErrExists)
		require.ErrorIs(t, extend(20, 21), ErrStale)
		j, err = d.JournalOf(t.Context(), origin)
		require.NoError(t, err)
		require.NotNil(t, j.Forked)
	})
}
