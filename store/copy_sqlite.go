package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// copyPages is how much is copied in one step, in pages: 1 MiB. As much time as it took
// belongs to others before the next.
const copyPages = 256

// copyFile copies the database by SQLite's backup API. It reads from one snapshot, so
// that a daemon that writes does not make it begin again; in WAL mode neither waits for
// the other, and the WAL grows meanwhile.
func (e *sqlite) copyFile(ctx context.Context, scratch string, progress Progress) (_ *Copy, _ *sql.Conn, err error) {
	f, db, conn, err := unnamed(ctx, scratch)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close(), db.Close(), f.Close())
		}
	}()
	source := openFile(e.path, "mode=ro&_query_only=true&_busy_timeout=10000", ``)
	source.SetMaxOpenConns(1)
	defer source.Close()
	if err := e.copyTo(ctx, source, conn, scratch, progress); err != nil {
		return nil, nil, err
	}
	if err := e.synced(); err != nil { // a copy is to have nothing that its store may yet lose
		return nil, nil, err
	}
	// The copied head says that there is a WAL (the SQLite file format, Section 1.3.3),
	// which a file without a name cannot have, and does not need.
	if _, err := f.WriteAt([]byte{1, 1}, 18); err != nil {
		return nil, nil, err
	}
	if _, err := conn.ExecContext(ctx, `PRAGMA shrink_memory`); err != nil { // it has read the head of before
		return nil, nil, e.explain(err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	return &Copy{
		Facts: Facts{Engine: "sqlite"}, file: f, size: info.Size(), end: func() error { return errors.Join(conn.Close(), db.Close()) },
		check: func(ctx context.Context) error { return wholeSQLite(ctx, conn) },
	}, conn, nil
}

// unnamed makes an empty database in a file whose name is gone, and returns it as a
// file, too. There is no second connection to it.
func unnamed(ctx context.Context, dir string) (*os.File, *sql.DB, *sql.Conn, error) {
	f, err := os.CreateTemp(dir, copyPattern)
	if err != nil {
		return nil, nil, nil, err
	}
	db := openFile(f.Name(), "mode=rw&_journal_mode=OFF&_synchronous=OFF", `PRAGMA temp_store = MEMORY`)
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
		return nil, nil, nil, errors.Join(err, db.Close(), f.Close())
	}
	return f, db, conn, nil
}

func (e *sqlite) copyTo(ctx context.Context, source *sql.DB, to *sql.Conn, scratch string, progress Progress) error {
	from, err := source.Conn(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := from.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	var pages, width int64 // reading begins the snapshot
	err = from.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM meta) * 0 + c.page_count, s.page_size FROM pragma_page_count c, pragma_page_size s`).Scan(&pages, &width)
	if err != nil {
		return e.explain(err)
	}
	if err := room(scratch, uint64(pages*width)); err != nil {
		return err
	}
	return to.Raw(func(dst any) error {
		return from.Raw(func(src any) error {
			return e.explain(steps(ctx, dst.(*sqlite3.SQLiteConn), src.(*sqlite3.SQLiteConn), width, progress))
		})
	})
}

// steps copies until all is copied or ctx is done.
func steps(ctx context.Context, dst, src *sqlite3.SQLiteConn, width int64, progress Progress) error {
	b, err := dst.Backup("main", src, "main")
	if err != nil {
		return err
	}
	for {
		began := time.Now()
		done, err := b.Step(copyPages)
		if err != nil || done {
			progress(int64(b.PageCount())*width, int64(b.PageCount())*width)
			return errors.Join(err, b.Finish())
		}
		progress(int64(b.PageCount()-b.Remaining())*width, int64(b.PageCount())*width)
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), b.Finish())
		case <-time.After(time.Since(began)):
		}
	}
}

// wholeSQLite has SQLite look at every page and every index entry.
func wholeSQLite(ctx context.Context, conn *sql.Conn) error {
	var found string
	if err := conn.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found); err != nil {
		return fmt.Errorf("checking the copy: %w", err)
	}
	if found != "ok" {
		return fmt.Errorf("the copy is damaged, and so is the database: %.200s", found)
	}
	return nil
}

// room returns [ErrDiskFull] where a copy of that size would leave a folder less than
// what a store on the same disk needs.
func room(dir string, size uint64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < size+2*ballastSize {
		return fmt.Errorf("%w: %s has %d MiB free, and a copy of the database needs %d for a while; name a folder of another disk with --scratch",
			ErrDiskFull, dir, free>>20, (size+2*ballastSize)>>20)
	}
	return nil
}
