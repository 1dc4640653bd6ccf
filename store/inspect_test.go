package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// inspected returns an inspection of a store, which ends with the test.
func inspected(t *testing.T, cfg Config) *Inspection {
	t.Helper()
	i, err := Inspect(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, i.Close()) })
	return i
}

// A store is looked at while a daemon writes to it, and after that has ended, however
// it did; what was recorded before is seen.
func TestInspect(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		d, err := Open(t.Context(), cfg)
		require.NoError(t, err)
		_, err = d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.Update(t.Context(), func(*Tx) audit.Event { return event() }))
		require.NoError(t, d.SaveCRL(t.Context(), CRL{Issuer: issuer, Kind: "full", Number: 3, ThisUpdate: time.UnixMilli(1), NextUpdate: time.UnixMilli(2), DER: []byte{1}}))
		look := func() {
			i := inspected(t, cfg)
			at, seq, err := i.Newest(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, seq)
			require.WithinDuration(t, time.Now(), at, time.Minute)
			lists, err := i.Lists(t.Context())
			require.NoError(t, err)
			require.Len(t, lists, 1)
			require.Equal(t, []any{issuer, "full", int64(3)}, []any{lists[0].Issuer, lists[0].Kind, lists[0].Number})
			standing, why, err := i.Standing(t.Context())
			require.NoError(t, err)
			require.NoError(t, why)
			require.Equal(t, Serves, standing)
			found, _, err := i.Damage(t.Context(), true)
			require.NoError(t, err)
			require.Empty(t, found)
			require.False(t, i.Disturbed())
		}
		look()
		require.NoError(t, d.Close())
		look()
	})
}

// Nothing in the folder is another after an inspection, and a writer that comes in the
// meantime is noticed.
func TestInspectWritesNothing(t *testing.T) {
	dsn := storetest.SQLite(t)
	cfg := config(t, dsn)
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	dir := filepath.Dir(strings.TrimPrefix(dsn, "sqlite:"))
	state := func() map[string]time.Time {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		all := map[string]time.Time{}
		for _, e := range entries {
			info, err := e.Info()
			require.NoError(t, err)
			all[e.Name()] = info.ModTime()
		}
		return all
	}
	before := state()
	i := inspected(t, cfg)
	_, _, err = i.Damage(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, before, state())
	open(t, cfg)
	require.True(t, i.Disturbed())
}

// What takes too long is given up, and said to be.
func TestInspectEnds(t *testing.T) {
	cfg := config(t, storetest.SQLite(t))
	open(t, cfg)
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	cancel(late)
	_, checked, err := inspected(t, cfg).Damage(ctx, false)
	require.True(t, checked)
	require.Error(t, err)
}

// A page that is not what it was, an older copy under a newer checkpoint, and a store
// that is not there are told.
func TestInspectFinds(t *testing.T) {
	cfg := config(t, storetest.SQLite(t))
	file := strings.TrimPrefix(cfg.DSN, "sqlite:")
	_, err := Inspect(t.Context(), cfg)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, file)

	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, d.AddIssuer(t.Context(), issuer))
	require.NoError(t, d.Close())
	old, err := os.ReadFile(file)
	require.NoError(t, err)
	d, err = Open(t.Context(), cfg)
	require.NoError(t, err)
	for range 300 {
		require.NoError(t, d.Update(t.Context(), func(*Tx) audit.Event { return event() }))
	}
	_, err = d.SignCheckpoint(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Close())
	whole, err := os.ReadFile(file)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(file, old, 0o600))
	standing, why, err := inspected(t, cfg).Standing(t.Context())
	require.NoError(t, err)
	require.Equal(t, SetBack, standing)
	require.ErrorContains(t, why, "evidence")

	for page := len(whole)/walPage - 8; page < len(whole)/walPage; page++ {
		clear(whole[page*walPage+200 : page*walPage+600])
		clear(whole[page*walPage : page*walPage+8])
	}
	require.NoError(t, os.WriteFile(file, whole, 0o600))
	found, _, err := inspected(t, cfg).Damage(t.Context(), false)
	require.True(t, len(found) > 0 || err != nil)
}
