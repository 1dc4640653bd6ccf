package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// openSQLite opens the file, and makes it if it does not exist.
func openSQLite(ctx context.Context, path string, cfg Config) (*sqlite, error) {
	file, err := touch(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	e := &sqlite{
		path: path, cfg: cfg, disk: &disk{path: path, file: file, fdatasync: unix.Fdatasync},
		wal:     newWAL(),
		ballast: &ballast{path: path + ".ballast"},
	}
	e.write = e.openOwn("mode=rw&_txlock=immediate&_auto_vacuum=incremental&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout="+busyWait, `PRAGMA wal_autocheckpoint = 0; `+e.disk.cache(), nil)
	// It waits for readers with the writer's lock held: a backup reads for minutes.
	e.upkeep = e.openOwn("mode=rw&_synchronous=FULL&_busy_timeout=50", `PRAGMA wal_autocheckpoint = 0`, nil)
	// A connection is one goroutine's at a time, as database/sql has it: SQLite's own lock,
	// taken three times for each column, would keep nobody out.
	e.read = e.openOwn("mode=ro&_mutex=no&_query_only=true&_busy_timeout=10000", ``, &e.damage)
	e.write.SetMaxOpenConns(1)
	e.upkeep.SetMaxOpenConns(1)
	readers := max(8, 4*runtime.GOMAXPROCS(0))
	e.read.SetMaxOpenConns(readers)
	e.read.SetMaxIdleConns(readers)
	if err := e.first(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: opening %s: %w", path, e.explain(err)), e.close())
	}
	if err := e.ballast.reserve(); err != nil {
		cfg.Log.Warn("no room is reserved for revoking on a full disk", "error", err)
	}
	return e, nil
}

// first makes the first connection. While another process makes the file one with a
// write-ahead log, SQLite says that it is locked, and does not wait.
func (e *sqlite) first(ctx context.Context) error {
	for began := time.Now(); ; time.Sleep(pause / 10) {
		err := e.write.PingContext(ctx)
		var failure sqlite3.Error
		if !errors.As(err, &failure) || failure.Code != sqlite3.ErrBusy || time.Since(began) > diskPatience {
			return err
		}
	}
}

// touch opens the file, and makes it if it is not there, readable by its owner
// alone: SQLite gives the files beside it the same mode.
func touch(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openFile returns connections with the options of the driver, on each of which
// the pragmas are set.
func openFile(path, options, pragmas string) *sql.DB {
	return sql.OpenDB(connectorOf(path, options, pragmas))
}

// openOwn is openFile of the engine's own connections, which are made only to the file that
// it opened. They show their errors to watch, unless that is nil.
func (e *sqlite) openOwn(options, pragmas string, watch *damage) *sql.DB {
	c := connectorOf(e.path, options, pragmas)
	c.watch, c.present = watch, e.disk.present
	return sql.OpenDB(c)
}

func connectorOf(path, options, pragmas string) sqliteConnector {
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options
	return sqliteConnector{name: name, driver: &sqlite3.SQLiteDriver{
		ConnectHook: func(c *sqlite3.SQLiteConn) error {
			_, err := c.Exec(pragmas, nil)
			return err
		},
	}}
}

type sqliteConnector struct {
	name    string
	driver  *sqlite3.SQLiteDriver
	watch   *damage      // or nil
	present func() error // or nil
}

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	if c.present != nil {
		if err := c.present(); err != nil {
			return nil, err
		}
	}
	conn, err := c.driver.Open(c.name)
	if err != nil || c.watch == nil {
		return conn, err
	}
	return watchedConn{conn.(*sqlite3.SQLiteConn), c.watch}, nil
}

func (c sqliteConnector) Driver() driver.Driver { return c.driver }
