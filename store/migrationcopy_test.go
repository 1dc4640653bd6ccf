package store

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/store/storetest"
)

// A migration that has no room for the copy does not begin: it says how much it wants,
// how much there is and what to do, leaves nothing on the disk and the store as it was,
// and goes on when there is room. What a killed process left of a copy is not in its way.
func TestMigrationRoom(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		const size = 24 << 20
		must(t, d, func(tx *Tx) { tx.demand(1, nil, writeMeta, "large", noise(size)) })
		cfg := d.cfg
		require.NoError(t, d.Close())
		cfg.BackupDir = smallDisk(t, "256m")
		earlier := filepath.Join(cfg.BackupDir, copyPrefix+"0001-20260101T000000.db")
		require.NoError(t, os.WriteFile(earlier, make([]byte, 1<<20), 0o600))
		part := filepath.Join(cfg.BackupDir, copyPrefix+"0002-20260101T000000.db"+partialCopy)
		require.NoError(t, os.WriteFile(part, make([]byte, 1<<20), 0o600))
		e, steps := nextSchema(t, cfg, `CREATE TABLE next (x BIGINT);`)

		occupy(t, cfg.BackupDir, migrationRoom+size/2)
		err := migrateTo(t.Context(), e, cfg, steps)
		require.ErrorIs(t, err, ErrDiskFull)
		for _, want := range []string{cfg.BackupDir + " has 14", "MiB free, and the copy takes 2", "with 128 left", "take 1 MiB", "migration_copies"} {
			require.ErrorContains(t, err, want)
		}
		left, err := filepath.Glob(filepath.Join(cfg.BackupDir, "*"))
		require.NoError(t, err)
		require.Equal(t, []string{earlier, filepath.Join(cfg.BackupDir, "filler")}, left)
		require.Error(t, e.reader().row(t.Context(), `SELECT x FROM next`, nil, new(int)))

		require.NoError(t, os.Remove(filepath.Join(cfg.BackupDir, "filler")))
		require.NoError(t, migrateTo(t.Context(), e, cfg, steps))
		copies, err := MigrationCopies(cfg.BackupDir)
		require.NoError(t, err)
		require.Len(t, copies, 2)
		require.Equal(t, earlier, copies[0].File)
		require.Greater(t, copies[1].Size, int64(size))
	})
}

// A copy that could not be made whole does not stay: nobody must take it for one.
func TestMigrationCopyFails(t *testing.T) {
	d, e, cfg := onDisk(t)
	root := rootPage(t, d, "relying_parties")
	_, err := e.checkpoint("TRUNCATE")
	require.NoError(t, err)
	require.NoError(t, d.Close())
	spoil(t, e.path, root)
	cfg.BackupDir = smallDisk(t, "256m") // with which no blocks are shared
	next, steps := nextSchema(t, cfg, `CREATE TABLE next (x BIGINT);`)
	require.Equal(t, TroubleCorrupt, TroubleOf(migrateTo(t.Context(), next, cfg, steps)))
	left, err := os.ReadDir(cfg.BackupDir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// On a file system that shares blocks the copy takes no room of its own, and holds what
// is in the write-ahead log alone, too. It is one file, and stays as it was.
func TestMigrationCopySharesBlocks(t *testing.T) {
	const size = 32 << 20
	disk := xfs(t)
	cfg := config(t, "sqlite:"+filepath.Join(disk, "betonica.db"))
	cfg.BackupDir = disk
	d := open(t, cfg)
	must(t, d, func(tx *Tx) { tx.demand(1, nil, writeMeta, "large", noise(size)) })
	_, err := d.engine.(*sqlite).checkpoint("TRUNCATE")
	require.NoError(t, err)
	reader, err := d.reads.db.Begin() // keeps what follows in the log
	require.NoError(t, err)
	defer reader.Rollback()
	require.NoError(t, reader.QueryRow(`SELECT COUNT(*) FROM audit`).Scan(new(int)))
	identity(t, d, "device/a")
	before := freeOf(t, disk)

	file, err := d.engine.backup(t.Context(), disk, copyPrefix+"0001-20260101T000000")
	require.NoError(t, err)
	require.Less(t, before-freeOf(t, disk), int64(size/2), "bytes of its own")
	left, err := filepath.Glob(file + "?*")
	require.NoError(t, err)
	require.Empty(t, left)
	identity(t, d, "device/b")
	copied := config(t, "sqlite:"+file)
	copied.Evidence, copied.IDFile = "", ""
	c := open(t, copied)
	_, err = c.Identity(t.Context(), "device/a")
	require.NoError(t, err)
	_, err = c.Identity(t.Context(), "device/b")
	require.ErrorIs(t, err, ErrNotFound)
	verify(t, c)
}

// xfs mounts a file system that shares blocks.
func xfs(t *testing.T) string {
	if _, err := exec.LookPath("mkfs.xfs"); err != nil {
		storetest.LeaveOut(t, "mkfs.xfs is not installed (Debian: xfsprogs)")
	}
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 512<<20))
	run := func(ctx context.Context, args ...string) ([]byte, error) {
		return exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	}
	out, err := run(t.Context(), "mkfs.xfs", "-q", "-m", "reflink=1", image)
	require.NoError(t, err, "%s", out)
	if out, err := run(t.Context(), "mount", "-t", "xfs", "-o", "loop", image, dir); err != nil {
		t.Skipf("left out: this kernel mounts no XFS: %s", out)
	}
	t.Cleanup(func() {
		out, err := run(context.Background(), "umount", dir)
		require.NoError(t, err, "%s", out)
	})
	return dir
}

// occupy leaves so many bytes of a disk free.
func occupy(t *testing.T, dir string, left int64) {
	f, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, freeOf(t, dir)-left))
}

func freeOf(t *testing.T, dir string) int64 {
	var disk syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &disk))
	return int64(disk.Bavail) * disk.Bsize
}

// noise does not compress.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.Read(b)
	return b
}
