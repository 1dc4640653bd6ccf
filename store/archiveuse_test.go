package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is taken of a machine's journals is counted with it, by the day and in all, and
// stays so when the store is opened anew; that no more is taken goes on record once in a
// time.
func TestArchiveUse(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)
		d.cfg.Now = func() time.Time { return now }
		use := func(identity string) ArchiveUse {
			u, err := d.ArchiveUse(t.Context(), identity)
			require.NoError(t, err)
			return u
		}
		require.Equal(t, ArchiveUse{Rest: 3 * time.Hour, Refused: NeverRefused}, use("device/a"))
		for _, origin := range []string{"1", "2"} {
			j := Journal{Origin: origin, Identity: "device/a", Key: "k", Statement: []byte("{}")}
			insert := func() error { return update(d, func(tx *Tx) { tx.InsertJournal(j) }) }
			require.NoError(t, insert())
			require.ErrorIs(t, insert(), ErrExists)
			j.Size, j.Frontier = 1, []byte{1}
			extend := func() error {
				return d.Durable(t.Context(), func(tx *RelaxedTx) {
					tx.ExtendJournal(0, j, JournalBatch{First: 1, Last: 1, Earliest: now, Latest: now, Frames: make([]byte, 1000)}, []JournalKey{{Wrapped: make([]byte, 100)}})
				})
			}
			require.NoError(t, extend())
			require.ErrorIs(t, extend(), ErrStale)
		}
		const bytes = 2 * (3*rowBytes + 2 + 1000 + 100)
		require.Equal(t, ArchiveUse{Begun: 2, Bytes: bytes, Rest: 3 * time.Hour, Refused: NeverRefused, Total: bytes}, use("device/a"))
		require.Equal(t, ArchiveUse{Rest: 3 * time.Hour, Refused: NeverRefused, Total: bytes}, use("device/b"))

		refuse := func(identity string) error {
			return update(d, func(tx *Tx) { tx.RefuseArchive(identity, time.Hour) })
		}
		for _, identity := range []string{"device/a", "device/b"} {
			require.NoError(t, refuse(identity))
			require.ErrorIs(t, refuse(identity), ErrExists)
		}
		now = now.Add(3*time.Hour + time.Minute)
		require.Equal(t, ArchiveUse{Rest: 24*time.Hour - time.Minute, Refused: 3*time.Hour + time.Minute, Total: bytes}, use("device/a"))
		require.NoError(t, refuse("device/a"))
		require.NoError(t, update(d, func(tx *Tx) {
			tx.InsertJournal(Journal{Origin: "3", Identity: "device/a", Key: "k", Statement: []byte("{}")})
		}))
		require.Equal(t, 1, use("device/a").Begun)
		require.EqualValues(t, bytes+rowBytes+2, use("device/b").Total)
	})
}

// A durable write waits for the disk, as one that is audited does, and leaves no entry.
func TestDurable(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		serial := issued(t, d, "device/a").Serial
		size, before := d.LogSize(), d.Stats().Commits.Count
		confirm := func(tx *RelaxedTx) { tx.Confirm(serial) }
		require.NoError(t, d.Relaxed(t.Context(), confirm))
		require.Equal(t, before, d.Stats().Commits.Count)
		require.NoError(t, d.Durable(t.Context(), confirm))
		require.Equal(t, before+1, d.Stats().Commits.Count)
		require.Equal(t, size, d.LogSize())
	})
}
