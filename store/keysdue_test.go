package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A data key is due after a month, or after 2^28 entries, whichever comes first; a wrapping
// key after a year. Neither is earlier, whatever the other is.
func TestKeysDue(t *testing.T) {
	made := time.UnixMilli(1795334400123)
	for _, tt := range []struct {
		age, wrapped   time.Duration
		entries        int64
		data, wrapping bool
	}{
		{0, 0, 0, false, false},
		{30*24*time.Hour - time.Millisecond, 0, 1<<28 - 1, false, false},
		{30 * 24 * time.Hour, 0, 0, true, false},
		{0, 0, 1 << 28, true, false},
		{0, 365*24*time.Hour - time.Millisecond, 1 << 40, true, false},
		{time.Hour, 365 * 24 * time.Hour, 0, false, true},
		{-time.Hour, -time.Hour, 0, false, false}, // a clock that was set back
	} {
		now := made.Add(1000 * 24 * time.Hour)
		data, wrapping := LogKeys{Newest: now.Add(-tt.age), Wrapped: now.Add(-tt.wrapped), Entries: tt.entries}.due(now)
		require.Equal(t, [2]bool{tt.data, tt.wrapping}, [2]bool{data, wrapping}, "%+v", tt)
	}
}

// Keys that are made after the clock was set back a little are the newest all the same: what comes is
// sealed and wrapped by them, and not by those of before.
func TestKeysSetBack(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, _, later := clocked(t, dsn)
		for range 3 {
			k, err := d.LogKeys(t.Context())
			require.NoError(t, err)
			later(-time.Minute)
			require.NoError(t, d.ReplaceDataKey(t.Context(), k.Newest))
			require.NoError(t, d.ReplaceWrappingKey(t.Context(), k.Wrapped))
			after, err := d.LogKeys(t.Context())
			require.NoError(t, err)
			require.True(t, after.Newest.After(k.Newest))
			require.True(t, after.Wrapped.After(k.Wrapped))
			more(t, d, 1)
			ids := sealedUnder(t, d)
			require.NotEmpty(t, ids)
			w, err := d.wrappings(t.Context(), d.reads.query)
			require.NoError(t, err)
			require.Len(t, w.all, 1, "all is wrapped by the newest, and the one before is gone")
		}
	})
}

// While a process is on the database that could not read what a wrapping key wraps, there is
// no next one; data keys are replaced on the day.
func TestKeysUnderstood(t *testing.T) {
	var ahead atomic.Int64
	cfg := config(t, storetest.Postgres(t).Database(t))
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	d := open(t, cfg)
	before, err := d.LogKeys(t.Context())
	require.NoError(t, err)
	ahead.Store(int64(WrappingKeyLife))
	do := func(query string, args ...any) {
		t.Helper()
		require.NoError(t, d.quiet(t.Context(), func(_ context.Context, tx *AloneTx) error {
			tx.demand(1, ErrNotFound, query, args...)
			return tx.err
		}))
	}
	do(`INSERT INTO replicas (id, name, version, url, schema, seen, beats, started_at, lease_until)
		VALUES (1000000, 'old', 'v0', '', $1, 0, 1, $2, $2)`, d.schema-1, time.Now().UnixMilli()*2)
	require.NoError(t, d.replaceKeys(t.Context()))
	err = d.ReplaceWrappingKey(t.Context(), before.Wrapped) // by order, neither
	require.ErrorIs(t, err, ErrOlderReplica)
	require.ErrorContains(t, err, `"old", version "v0"`)
	k, err := d.LogKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Wrapped, k.Wrapped)
	require.Equal(t, 2, k.DataKeys)

	do(`DELETE FROM replicas WHERE id = 1000000`)
	require.NoError(t, d.replaceKeys(t.Context()))
	k, err = d.LogKeys(t.Context())
	require.NoError(t, err)
	require.True(t, k.Wrapped.After(before.Wrapped))
	require.Equal(t, 2, k.DataKeys)
}
