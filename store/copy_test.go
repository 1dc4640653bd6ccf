package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A copy that is made while others write is of one moment: its log is whole and ends
// at the entry that it says, its figures are those of that moment, nothing of it has a
// name, and no writer is held up until it is done.
func TestCopyUnderLoad(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, err := range parallel(300, func(int) error { return update(d, func(*Tx) {}) }) {
			require.NoError(t, err)
		}
		_, err := d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		stop, done := make(chan struct{}), sync.WaitGroup{}
		defer done.Wait()
		defer close(stop)
		for range 4 {
			done.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if err := update(d, func(*Tx) {}); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		for range 3 {
			before := d.LogSize()
			scratch := t.TempDir()
			c, err := MakeCopy(t.Context(), d.cfg, scratch, func(done, total int64) { require.LessOrEqual(t, done, total) })
			require.NoError(t, err)
			require.GreaterOrEqual(t, c.Entries, before)
			require.Eventually(t, func() bool { return c.Entries <= d.LogSize() }, time.Minute, time.Millisecond)
			require.NoError(t, c.Check(t.Context()))
			source, err := c.Source(t.Context())
			require.NoError(t, err)
			keyring, err := c.Keyring(t.Context())
			require.NoError(t, err)
			report, err := audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d), Keyring: keyring})
			require.NoError(t, err)
			require.Equal(t, c.Entries, report.Last)
			require.Equal(t, c.Root, report.Hash.String())
			require.Equal(t, d.ID(), c.ID)
			left, err := os.ReadDir(scratch)
			require.NoError(t, err)
			require.Empty(t, left)
			n, err := io.Copy(io.Discard, c.Bytes())
			require.NoError(t, err)
			require.Equal(t, c.Size(), n)
			require.NoError(t, c.Close())
		}
	})
}

// An SQLite copy is a database by itself, without a WAL, that opens elsewhere.
func TestCopyOpens(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	identity(t, d, "device/SN-1")
	c, err := MakeCopy(t.Context(), d.cfg, t.TempDir(), nil)
	require.NoError(t, err)
	defer c.Close()
	file := filepath.Join(t.TempDir(), "other.db")
	text, err := io.ReadAll(c.Bytes())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	other := open(t, config(t, "sqlite:"+file))
	id, err := other.Identity(t.Context(), "device/SN-1")
	require.NoError(t, err)
	require.Equal(t, Active, id.State)
	require.Equal(t, c.Entries, verify(t, other))
}

// A copy that is given up, or whose store is none that could be restored, leaves
// nothing.
func TestCopyFails(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		scratch := t.TempDir()
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("given up")
		cancel(gone)
		_, err := MakeCopy(ctx, d.cfg, scratch, nil)
		require.Error(t, err)
		_, err = MakeCopy(t.Context(), d.cfg, filepath.Join(scratch, "missing"), nil)
		require.Error(t, err)
		tamper(t, d, `INSERT INTO meta (key, value) VALUES ('restored', 'x')`)
		_, err = MakeCopy(t.Context(), d.cfg, scratch, nil)
		require.ErrorIs(t, err, ErrRestored)
		left, err := os.ReadDir(scratch)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	cfg := config(t, "sqlite:"+filepath.Join(t.TempDir(), "none.db"))
	_, err := MakeCopy(t.Context(), cfg, t.TempDir(), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, strings.TrimPrefix(cfg.DSN, "sqlite:"))
}

// A database whose index is not of its table is not copied as if it were good.
func TestCopyChecks(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	identity(t, d, "device/SN-1")
	c, err := MakeCopy(t.Context(), d.cfg, t.TempDir(), nil)
	require.NoError(t, err)
	require.NoError(t, c.Check(t.Context()))
	require.NoError(t, c.Close())
	tamper(t, d, `PRAGMA writable_schema = 1`)
	tamper(t, d, `UPDATE sqlite_schema SET sql = replace(sql, '(action, at, seq)', '(seq, at, action)') WHERE name = 'audit_action'`)
	c, err = MakeCopy(t.Context(), d.cfg, t.TempDir(), nil)
	require.NoError(t, err)
	require.ErrorContains(t, c.Check(t.Context()), "audit_action")
	require.NoError(t, c.Close())
}
