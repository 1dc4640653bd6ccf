package store

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// clocked opens a store whose clock goes on by what the returned function is told.
func clocked(t *testing.T, dsn string) (*DB, Config, func(time.Duration)) {
	cfg := config(t, dsn)
	ahead := time.Duration(0)
	cfg.Now = func() time.Time { return time.Now().Add(ahead) }
	return open(t, cfg), cfg, func(more time.Duration) { ahead += more }
}

// sealedUnder returns the data keys of all entries, in their order.
func sealedUnder(t *testing.T, d *DB) (ids []audit.KeyID) {
	t.Helper()
	entries, err := d.EntriesAfter(t.Context(), 0, 1000)
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, "ok", e.Outcome, "every entry opens, however old its key is")
		ids = append(ids, e.KeyID)
	}
	return ids
}

// Each month entries are sealed under a data key of their own, on record; those of before
// are read as ever, in lists, in what verifies and in what is exported, also by a process
// that opens the store later.
func TestReplaceDataKey(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, cfg, later := clocked(t, dsn)
		first, err := d.LogKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, first.DataKeys)
		require.Equal(t, first.Newest, first.Wrapped)
		more(t, d, 3)
		later(DataKeyLife - time.Hour)
		require.NoError(t, d.keysNow(t.Context()))
		require.EqualValues(t, 3, d.LogSize(), "it is not due")

		later(2 * time.Hour)
		require.NoError(t, d.keysNow(t.Context()))
		require.NoError(t, d.keysNow(t.Context()), "and once")
		require.ErrorIs(t, d.ReplaceDataKey(t.Context(), first.Newest), ErrStale, "another has made the next already")
		more(t, d, 2)
		k, err := d.LogKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, k.DataKeys)
		require.WithinDuration(t, cfg.Now(), k.Newest, time.Minute)
		require.Equal(t, first.Wrapped, k.Wrapped)
		require.InDelta(t, 2, k.Entries, 1)
		ids := sealedUnder(t, d)
		require.Len(t, ids, 6)
		require.Equal(t, []audit.KeyID{ids[0], ids[0], ids[0], ids[0]}, ids[:4], "the entry about it is the last under the key of before")
		require.Equal(t, []audit.KeyID{ids[4], ids[4]}, ids[4:])
		require.NotEqual(t, ids[0], ids[4])
		entry, _, err := d.AuditEntries(t.Context(), AuditFilter{Action: "keys.replace"}, Page{})
		require.NoError(t, err)
		require.Len(t, entry, 1)
		require.Equal(t, ids[4].String(), entry[0].Detail["key"])
		require.Equal(t, ids[0].String(), entry[0].Detail["after"])
		require.EqualValues(t, 6, verify(t, d))

		signed, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		key, err := d.VerifierKey()
		require.NoError(t, err)
		ring, err := d.Keyring(t.Context())
		require.NoError(t, err)
		var bundle bytes.Buffer
		require.NoError(t, audit.Export(t.Context(), &bundle, source(t, d), audit.ExportOptions{From: 2, To: 6, VerifierKey: key, Checkpoint: signed.Note, Keyring: ring}))
		_, err = audit.VerifyBundle(bytes.NewReader(bundle.Bytes()), key)
		require.NoError(t, err)
		require.Equal(t, 5, bytes.Count(bundle.Bytes(), []byte(`"uid:0"`))+bytes.Count(bundle.Bytes(), []byte(`"self"`))/2, bundle.String())

		log, err := OpenLog(t.Context(), cfg)
		require.NoError(t, err)
		ring, err = log.Keyring(t.Context())
		require.NoError(t, err)
		records, err := source(t, d).Records(t.Context(), 0, 6)
		require.NoError(t, err)
		for _, r := range records {
			_, err := ring.Open(r.Leaf)
			require.NoError(t, err)
		}
		require.NoError(t, log.Close())
		if !d.Shared() {
			return // one process at a time
		}
		other := open(t, cfg)
		more(t, other, 1)
		ids = sealedUnder(t, d)
		require.Equal(t, ids[4], ids[6], "who opens it later goes on under the newest")
	})
}

// Whoever of several processes is at it, there is one next data key; and what each seals,
// before it knows of it or after, the others read.
func TestReplicasReplaceKeys(t *testing.T) {
	dbs := replicas(t, 3)
	for round := range 3 {
		k, err := dbs[round].LogKeys(t.Context())
		require.NoError(t, err)
		replaced := 0
		for _, err := range parallel(6, func(i int) error {
			if i%2 == 0 {
				return dbs[i/2].ReplaceDataKey(t.Context(), k.Newest)
			}
			return dbs[i/2].ReplaceWrappingKey(t.Context(), k.Wrapped)
		}) {
			if err == nil {
				replaced++
				continue
			}
			require.ErrorIs(t, err, ErrStale)
		}
		require.Equal(t, 2, replaced, "one of each")
		more(t, dbs[round], 2)
		more(t, dbs[(round+1)%3], 2)
		require.NoError(t, dbs[(round+1)%3].followKeys(t.Context()))
		more(t, dbs[(round+1)%3], 1)
		for _, d := range dbs {
			require.EqualValues(t, 7*(round+1), len(sealedUnder(t, d)))
		}
	}
	ids := sealedUnder(t, dbs[0])
	k, err := dbs[0].LogKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, k.DataKeys)
	require.EqualValues(t, 21, verify(t, dbs[2]))
	newest, err := dbs[0].readDataKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, newest[3].ID, ids[20])
}

// shippedKeys puts n keys of a guard's journal into the archive, and returns them.
func shippedKeys(t *testing.T, d *DB, origin string, n int) []audit.DataKey {
	t.Helper()
	must(t, d, func(tx *Tx) {
		tx.InsertJournal(Journal{Origin: origin, Identity: "gateway/a", Key: "k", Statement: []byte("{}")})
	})
	keys := make([]audit.DataKey, n)
	wrapped := make([]JournalKey, n)
	for i := range keys {
		keys[i] = audit.NewDataKey()
		wrapped[i] = journalKey(t, d, keys[i])
	}
	require.NoError(t, extend(d, origin, 0, wrapped...))
	return keys
}

func extend(d *DB, origin string, before int64, keys ...JournalKey) error {
	return d.Durable(context.Background(), func(tx *RelaxedTx) {
		tx.ExtendJournal(before, Journal{Origin: origin, Size: before + 1, Frontier: []byte{1}}, JournalBatch{First: before + 1, Last: before + 1, Frames: []byte{1}}, keys)
	})
}

// journalKey seals a key as a guard does, and takes it in as the archive does. The seal is
// costly, and no test here is about it.
func journalKey(t *testing.T, d *DB, key audit.DataKey) JournalKey {
	t.Helper()
	w, err := d.wrappings(t.Context(), d.reads.query)
	require.NoError(t, err)
	return JournalKey{key.ID, w.wrap(key)}
}

// opens demands that the keys of a journal, and the log's own, are all read by a process
// that begins now.
func opens(t *testing.T, d *DB, origin string, keys []audit.DataKey) {
	t.Helper()
	log, err := OpenLog(t.Context(), d.cfg)
	require.NoError(t, err)
	ring, err := log.JournalKeyring(t.Context(), origin)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	for _, k := range keys {
		row, err := audit.NewSealer(d.cfg.Keys, k).Seal(1, time.Now(), event())
		require.NoError(t, err)
		_, err = ring.Open(row.Leaf)
		require.NoError(t, err)
	}
	require.NotEmpty(t, sealedUnder(t, d))
	require.NoError(t, d.followKeys(t.Context()))
}

// wrappedNow demands that the log's data keys are all wrapped by the newest wrapping key.
func wrappedNow(t *testing.T, d *DB) {
	t.Helper()
	w, err := d.wrappings(t.Context(), d.reads.query)
	require.NoError(t, err)
	require.False(t, w.made.IsZero())
	rows, err := d.reads.query(t.Context(), readDataKeys)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id, wrapped []byte
		var made int64
		require.NoError(t, rows.Scan(&id, &wrapped, &made))
		require.True(t, w.current(wrapped), "data key %x is not wrapped by the wrapping key of now", id)
	}
	require.NoError(t, rows.Err())
}

// The wrapping key is replaced each year, and all that it wraps is wrapped anew: the log's
// keys at once, those of journals by and by. Wherever that stops, everything opens; and
// when it is through, the key of before is gone.
func TestReplaceWrappingKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		const origin = "h/gateway/a/journal/1"
		keys := shippedKeys(t, d, origin, rewrapBatch+10)
		wrappings := func() map[audit.KeyID]audit.WrappingKey {
			w, err := d.wrappings(t.Context(), d.reads.query)
			require.NoError(t, err)
			return w.all
		}
		var before audit.KeyID
		for round := range 3 {
			k, err := d.LogKeys(t.Context())
			require.NoError(t, err)
			require.ErrorIs(t, d.ReplaceWrappingKey(t.Context(), k.Wrapped.Add(-time.Hour)), ErrStale)
			late := audit.NewDataKey()
			wrapped := journalKey(t, d, late)

			require.NoError(t, d.replaceWrappingKey(t.Context(), k.Wrapped, nil))
			opens(t, d, origin, keys)
			require.NoError(t, d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error {
				_, more, err := tx.rewrapJournalKeys(ctx, d, journalKeyID{})
				require.True(t, more)
				return err
			}))
			opens(t, d, origin, keys)
			if round > 0 {
				require.Len(t, wrappings(), 2, "half of the journal's keys are still under that of before")
				require.NoError(t, extend(d, origin, int64(round)+1, wrapped), "what a replica wrapped that does not know of it yet")
				keys = append(keys, late)
			} else {
				require.NoError(t, extend(d, origin, 1))
			}
			require.NoError(t, d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error { return tx.retireWrappings(ctx, d) }))
			opens(t, d, origin, keys)

			require.NoError(t, d.keysNow(t.Context()), "the next to look ends it")
			require.Len(t, wrappings(), 1)
			require.NotContains(t, wrappings(), before)
			opens(t, d, origin, keys)
			if round > 0 {
				require.ErrorIs(t, extend(d, origin, int64(round)+2, JournalKey{audit.NewDataKey().ID, wrapped.Wrapped}), ErrStale, "the key that it is wrapped by is gone")
			}
			for before = range wrappings() {
			}

			k, err = d.LogKeys(t.Context())
			require.NoError(t, err)
			require.NoError(t, d.ReplaceDataKey(t.Context(), k.Newest))
			wrappedNow(t, d)
		}
		var marked []byte
		require.True(t, errors.Is(d.reads.row(t.Context(), readMeta, []any{metaRewrap}, &marked), ErrNotFound))
		require.EqualValues(t, d.LogSize(), verify(t, d))
	})
}

// A year after the store was made the daemon replaces the wrapping key by itself.
func TestWrappingKeyDue(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, cfg, later := clocked(t, dsn)
		later(WrappingKeyLife + time.Hour)
		require.NoError(t, d.keysNow(t.Context()))
		k, err := d.LogKeys(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, cfg.Now(), k.Wrapped, time.Minute)
		counts, err := d.ActionCounts(t.Context(), time.Time{}, cfg.Now().Add(time.Minute))
		require.NoError(t, err)
		require.EqualValues(t, 1, counts["keys.replace"])
		require.EqualValues(t, 1, counts["keys.rewrap"])
		sealedUnder(t, d)
	})
}
