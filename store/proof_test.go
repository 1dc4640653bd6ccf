package store

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fsyncFailed is what SQLite says.
var fsyncFailed = sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync}

// onDisk opens an SQLite store that this test closes by itself.
func onDisk(t *testing.T) (*DB, *sqlite, Config) {
	cfg := config(t, "sqlite:"+filepath.Join(t.TempDir(), "betonica.db"))
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, d.AddIssuer(t.Context(), issuer))
	return d, d.engine.(*sqlite), cfg
}

// An fsync that fails in the background is as one of SQLite's own.
func TestFsyncFailedInBackground(t *testing.T) {
	d, e, _ := onDisk(t)
	require.NoError(t, create(d, 1))
	fd, err := unix.Open(e.path, unix.O_PATH|unix.O_CLOEXEC, 0) // which says what it is, and no more
	require.NoError(t, err)
	unsyncable := os.NewFile(uintptr(fd), e.path)
	defer unsyncable.Close()
	err = d.quiet(t.Context(), func(context.Context, *AloneTx) error { // while the writer waits
		file := e.disk.file
		e.disk.file = unsyncable
		err := e.checkpointWAL(false)
		e.disk.file = file
		require.True(t, e.disk.doubt.Load())
		return err
	})
	require.Equal(t, TroubleIO, TroubleOf(err))
	require.Eventually(t, func() bool { return !e.disk.doubt.Load() }, 30*time.Second, time.Millisecond, "what was written is proved")
	require.NoError(t, create(d, 2))
	verify(t, d)
	require.NoError(t, d.Close())
}

// After an fsync that failed everything is refused until what was acknowledged has
// been written anew and read back; then the store goes on by itself.
func TestFsyncFailed(t *testing.T) {
	d, e, cfg := onDisk(t)
	for i := range 20 {
		require.NoError(t, create(d, i))
	}
	// A checkpoint in the midst, that a reader kept from copying all of it: what it
	// copied is not synced, and SQLite will not copy it again.
	reader, err := e.read.Conn(t.Context())
	require.NoError(t, err)
	_, err = reader.ExecContext(t.Context(), `BEGIN`)
	require.NoError(t, err)
	var n int
	require.NoError(t, reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM identities`).Scan(&n))
	for i := range 20 {
		require.NoError(t, create(d, 100+i))
	}
	pages, copied, err := e.walExtent("PASSIVE")
	require.NoError(t, err)
	require.Positive(t, copied)
	require.Greater(t, pages, copied)
	whole, err := os.ReadFile(e.path)
	require.NoError(t, err)

	// The kernel has lost a page that was copied; and a commit that failed is whole in
	// the write-ahead log.
	_, err = e.disk.file.WriteAt(make([]byte, walPage), int64(len(whole)/walPage-1)*walPage)
	require.NoError(t, err)
	wal, err := os.OpenFile(e.path+"-wal", os.O_RDWR, 0)
	require.NoError(t, err)
	defer wal.Close()
	end := int64(walHeader + pages*(frameHeader+walPage))
	_, err = wal.WriteAt([]byte("a frame that nobody was told is there"), end)
	require.NoError(t, err)
	err = d.quiet(t.Context(), func(context.Context, *AloneTx) error { // while the writer waits
		e.explain(fsyncFailed)
		_, err := e.checkpoint("PASSIVE")
		require.Equal(t, TroubleIO, TroubleOf(err), "nothing is copied over a doubt")
		require.ErrorIs(t, e.close(), errDoubt, "nor when the store closes")
		return err
	})
	require.ErrorIs(t, err, errDoubt)

	require.Eventually(t, func() bool { return !e.disk.doubt.Load() }, 30*time.Second, time.Millisecond, "without a call")
	proved, err := os.ReadFile(e.path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(whole, proved), "what was copied is there again")
	after := make([]byte, 8)
	_, err = wal.ReadAt(after, end)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 8), after)
	require.NoError(t, create(d, 200))
	_, err = reader.ExecContext(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	require.NoError(t, d.Close())

	again := open(t, cfg)
	verify(t, again)
	for _, i := range []int{0, 119, 200} {
		_, err := again.Identity(t.Context(), device(i))
		require.NoError(t, err)
	}
}

// If what was acknowledged is not there any more, the store says so, and neither
// writes nor revokes.
func TestFsyncLost(t *testing.T) {
	d, e, _ := onDisk(t)
	for i := range 20 {
		require.NoError(t, create(d, i))
	}
	wal, err := os.OpenFile(e.path+"-wal", os.O_RDWR, 0)
	require.NoError(t, err)
	defer wal.Close()
	hole := make([]byte, walPage)
	at := int64(walHeader + 3*(frameHeader+walPage) + frameHeader)
	_, err = wal.ReadAt(hole, at)
	require.NoError(t, err)
	_, err = wal.WriteAt(make([]byte, walPage), at)
	require.NoError(t, err)
	e.explain(fsyncFailed)

	for range 2 {
		require.ErrorIs(t, create(d, 100), errTornWAL)
		require.ErrorIs(t, alone(d, (*AloneTx).RevokeIdentity, device(1)), errTornWAL)
		require.Equal(t, TroubleCorrupt, TroubleOf(d.Health()))
	}
	require.ErrorIs(t, d.Close(), errDoubt)

	_, err = wal.WriteAt(hole, at) // it was there after all
	require.NoError(t, err)
	require.NoError(t, e.sound())
	require.NoError(t, e.close())
}

// A database that is moved away, or replaced, under the store is not written to any
// more: it would be lost with the process. When it is back, so is the store.
func TestReplaced(t *testing.T) {
	for _, file := range []string{"", "-wal"} {
		d, e, _ := onDisk(t)
		require.NoError(t, create(d, 1))
		name := e.path + file
		require.NoError(t, os.Rename(name, name+".away"))
		require.Eventually(t, func() bool { return d.Health() != nil }, 30*time.Second, 10*time.Millisecond, "without a call")
		require.Equal(t, TroubleReplaced, TroubleOf(d.Health()))
		require.Equal(t, TroubleReplaced, TroubleOf(create(d, 2)))
		require.Equal(t, TroubleReplaced, TroubleOf(alone(d, (*AloneTx).RevokeIdentity, device(1))))

		text, err := os.ReadFile(name + ".away")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, text, 0o600))
		require.Equal(t, TroubleReplaced, TroubleOf(create(d, 3)), "a copy is another file")

		require.NoError(t, os.Rename(name+".away", name))
		require.Eventually(t, func() bool { return d.Health() == nil }, 30*time.Second, 10*time.Millisecond)
		require.NoError(t, create(d, 4))
		verify(t, d)
		require.NoError(t, d.Close())
	}
}

// Somebody's file that was put in the place of the database stays as it is, and so does the
// write-ahead log, which holds what was acknowledged: whatever is opened, copied or closed
// under the name meanwhile, and at the end.
func TestReplacedIsLeftAlone(t *testing.T) {
	d, e, _ := onDisk(t)
	for i := range 20 {
		require.NoError(t, create(d, i))
	}
	_, _, err := e.walExtent("NOOP") // so that it is open
	require.NoError(t, err)
	mine, err := os.ReadFile(e.path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(e.path+".new", mine, 0o600))
	require.NoError(t, os.Rename(e.path+".new", e.path))
	log, err := os.ReadFile(e.path + "-wal")
	require.NoError(t, err)

	require.Equal(t, TroubleReplaced, TroubleOf(e.checkpointWAL(true)))
	_, err = e.checkpoint("TRUNCATE")
	require.Equal(t, TroubleReplaced, TroubleOf(err))
	e.upkeep.SetMaxIdleConns(0) // what was open is closed, and opened by its name
	e.upkeep.SetMaxIdleConns(1)
	_, err = e.upkeep.Conn(t.Context())
	require.Equal(t, TroubleReplaced, TroubleOf(err))
	e.read.SetMaxIdleConns(0)
	_, err = d.Identity(t.Context(), device(1))
	require.Equal(t, TroubleReplaced, TroubleOf(err))
	require.Equal(t, TroubleReplaced, TroubleOf(d.Close()))
	for name, want := range map[string][]byte{e.path: mine, e.path + "-wal": log} {
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), name)
	}
}

// A write-ahead log that was torn at its end, as by a power cut, costs what nobody
// was told is recorded. Torn before that, the log misses what was signed, and the
// store does not open.
func TestTornWAL(t *testing.T) {
	for _, tt := range []struct {
		name string
		tear func(wal []byte, signed int64) []byte // signed: its length when the checkpoint was signed
		want int64                                 // entries; 0: it does not open
	}{
		{"untouched", func(wal []byte, _ int64) []byte { return wal }, 40},
		{"a byte less", func(wal []byte, _ int64) []byte { return wal[:len(wal)-1] }, 39},
		{"a bit of the last frame", func(wal []byte, _ int64) []byte { wal[len(wal)-100] ^= 1; return wal }, 39},
		{"garbage behind it", func(wal []byte, _ int64) []byte { return append(wal, make([]byte, 10_000)...) }, 40},
		{"a bit of what was signed", func(wal []byte, signed int64) []byte { wal[signed/2] ^= 1; return wal }, 0},
		{"cut off before it", func(wal []byte, signed int64) []byte { return wal[:signed/2] }, 0},
		{"nothing", func([]byte, int64) []byte { return nil }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, e, cfg := onDisk(t)
			defer d.Close()
			for i := range 20 {
				require.NoError(t, create(d, i))
			}
			_, err := d.SignCheckpoint(t.Context())
			require.NoError(t, err)
			info, err := os.Stat(e.path + "-wal")
			require.NoError(t, err)
			for i := range 20 {
				require.NoError(t, create(d, 100+i))
			}
			require.EqualValues(t, 40, d.LogSize())

			// What a process that was killed leaves behind.
			dir := t.TempDir()
			database, err := os.ReadFile(e.path)
			require.NoError(t, err)
			wal, err := os.ReadFile(e.path + "-wal")
			require.NoError(t, err)
			cfg.DSN = "sqlite:" + filepath.Join(dir, "betonica.db")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "betonica.db"), database, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "betonica.db-wal"), tt.tear(wal, info.Size()), 0o600))
			again, err := Open(t.Context(), cfg)
			if tt.want == 0 {
				require.Equal(t, TroubleSetBack, TroubleOf(err), "%v", err)
				return
			}
			require.NoError(t, err)
			require.GreaterOrEqual(t, verify(t, again), tt.want)
			_, err = again.Identity(t.Context(), device(118))
			require.NoError(t, err)
			require.NoError(t, again.Close())
		})
	}
}
