package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// backup makes a copy of the database: one that shares its blocks where the file system
// can do that, which takes no time and as much room as the two come to differ; otherwise
// a compact one, if there is room for it. Nobody else may write meanwhile.
func (e *sqlite) backup(ctx context.Context, dir, name string) (string, error) {
	if dir == "" {
		dir = filepath.Dir(e.path)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return inPart(dir, name+".db", func(f *os.File) error {
		shared, err := e.share(ctx, f)
		if err != nil {
			return err
		}
		if !shared {
			if err := e.roomToCopy(ctx, dir); err != nil {
				return err
			}
		}
		if err := free(e.path, migrationRoom); err != nil {
			return fmt.Errorf("%w: make room beside the database, for what the change itself writes", err)
		}
		if shared {
			return nil
		}
		_, err = e.upkeep.ExecContext(ctx, `VACUUM INTO $1`, f.Name()) // takes an empty file
		return e.explain(err)
	})
}

// roomToCopy counts the pages that are not free, those in the WAL included.
func (e *sqlite) roomToCopy(ctx context.Context, dir string) error {
	var size int64
	err := e.upkeep.QueryRowContext(ctx, `
		SELECT (c.page_count - f.freelist_count) * s.page_size FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s`).Scan(&size)
	if err != nil {
		return e.explain(err)
	}
	return roomToCopy(dir, uint64(size))
}

// share has the file share the blocks of database and WAL, and makes one file of the two.
// It returns false where the file system cannot do that.
func (e *sqlite) share(ctx context.Context, f *os.File) (shared bool, err error) {
	if unix.IoctlFileClone(int(f.Fd()), int(e.disk.file.Fd())) != nil {
		return false, f.Truncate(0)
	}
	// Pages that somebody copies from the WAL into the database meanwhile are in the WAL as
	// well: it begins anew only with a write.
	wal, err := os.Open(e.path + "-wal")
	if err != nil {
		return false, err
	}
	defer wal.Close()
	beside, err := os.OpenFile(f.Name()+"-wal", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	defer func() {
		for _, ending := range []string{"-wal", "-shm"} {
			if gone := os.Remove(f.Name() + ending); !errors.Is(gone, os.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if _, err := io.Copy(beside, wal); err != nil {
		return false, errors.Join(err, beside.Close())
	}
	if err := beside.Close(); err != nil {
		return false, err
	}
	copied := openFile(f.Name(), "mode=rw&_synchronous=FULL", ``)
	copied.SetMaxOpenConns(1)
	var mode string
	err = copied.QueryRowContext(ctx, `PRAGMA journal_mode = DELETE`).Scan(&mode)
	if err == nil && mode != "delete" {
		err = fmt.Errorf("%s still has a write-ahead log: journal mode %s", f.Name(), mode)
	}
	return true, errors.Join(e.explain(err), copied.Close())
}
