package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// sqlite is the engine on one SQLite file in WAL mode.
//
// A context that can end makes the driver start a goroutine for each statement,
// which doubles the cost of the writer's. So nothing here has one: limit and
// readContext take the end away, and every statement is short.
type sqlite struct {
	path    string
	disk    *disk
	damage  damage
	write   *sql.DB // the writer's connection, and migrations before it starts
	upkeep  *sql.DB // checkpoints of the WAL, and backups
	read    *sql.DB
	cfg     Config
	wal     *wal
	ballast *ballast
}

// dialect drops the row locks, since there is nobody to lock out, and hides the
// parameters that are compared with from the planner. It would look at their
// values for hints, and SQLite would therefore prepare the statement anew each
// time that the driver clears its bindings, which is always: 90 µs instead of 10
// for a certificate. A plus changes nothing else.
func (e *sqlite) dialect(query string) string {
	query = braces(query, func(string) string { return "" })
	return strings.NewReplacer("= $", "= +$", "LIMIT $", "LIMIT +$").Replace(query)
}

func (e *sqlite) among(values []string) (string, any) {
	return `IN (SELECT e.value FROM json_each($1) e)`, list(values)
}

func (e *sqlite) renew() {} // it has no network

func (e *sqlite) reader() *reads { return &reads{db: e.read, engine: e} }

// prepare prepares, since the driver does on each use otherwise.
func (e *sqlite) prepare(ctx context.Context, db *sql.DB, query string) (statement, error) {
	return db.PrepareContext(ctx, query)
}

func (e *sqlite) readContext(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func (e *sqlite) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithoutCancel(ctx), func() {}
}

func (e *sqlite) connect(ctx context.Context) (*session, error) {
	conn, err := e.write.Conn(ctx)
	if err != nil {
		return nil, e.explain(err)
	}
	return newSession(conn, e), nil
}

func (e *sqlite) begin(ctx context.Context, s *session, relaxed bool) error {
	s.relaxed = relaxed
	e.resetWAL(ctx, s)
	if _, err := s.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	return e.disk.openWAL()
}

// awaitTurn has nobody to wait for.
func (e *sqlite) awaitTurn(context.Context, *session) error { return nil }

// whole has no round trips to save.
func (e *sqlite) whole(*session, []*call) ([]demand, bool) { return nil, false }

func (e *sqlite) atOnce(context.Context, *session, []demand, []audit.Record, []audit.Tile) (bool, error) {
	return false, nil
}

// apply gives each call a savepoint, which costs 2 µs here.
func (e *sqlite) apply(ctx context.Context, s *session, calls []*call, size int64) ([]*call, []tlog.Hash, error) {
	if err := e.begin(ctx, s, relaxed(calls)); err != nil {
		return nil, nil, err
	}
	for _, c := range calls {
		if err := e.applyOne(ctx, s, c); err != nil {
			return nil, nil, err
		}
	}
	if !audited(calls) {
		return nil, nil, nil
	}
	tail, err := e.lock(ctx, s, size)
	return nil, tail, err
}

// applyOne meets the demands of one call, or undoes them and sets its error.
func (e *sqlite) applyOne(ctx context.Context, s *session, c *call) error {
	if _, err := s.exec(ctx, `SAVEPOINT call`); err != nil {
		return err
	}
	for _, d := range c.demands {
		err := s.meet(ctx, d)
		if err == nil {
			continue
		}
		if e.broken(s, err) {
			return err
		}
		c.err = err
		if _, err := s.exec(ctx, `ROLLBACK TO call`); err != nil {
			return err
		}
		break
	}
	_, err := s.exec(ctx, `RELEASE call`)
	return err
}

// lock has nothing to lock. It reads the tail all the same, since a tool may have
// written while the daemon was idle.
func (e *sqlite) lock(ctx context.Context, s *session, size int64) ([]tlog.Hash, error) {
	rows, err := s.query(ctx, readTail, []any{size})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return collectHashes(rows)
}

// finish inserts row by row: on SQLite a loop over a prepared statement is faster
// than one statement with many rows (6 against 10 µs a row).
func (e *sqlite) finish(ctx context.Context, s *session, records []audit.Record, tiles []audit.Tile) (durable func() error, err error) {
	for _, r := range records {
		var terms [audit.MaxTerms]any
		for i := range r.Terms {
			terms[i] = r.Terms[i][:]
		}
		if _, err := s.exec(ctx, `
			INSERT INTO audit (seq, at, action, leaf, hash, term1, term2, term3, term4)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			r.Seq, r.At.UnixMilli(), r.Action, r.Leaf, r.Hash[:], terms[0], terms[1], terms[2], terms[3]); err != nil {
			return nil, err
		}
	}
	for _, t := range tiles {
		if _, err := s.exec(ctx, `INSERT INTO audit_tiles (level, n, hashes) VALUES ($1, $2, $3)`, t.Level, t.N, t.Hashes); err != nil {
			return nil, err
		}
	}
	flush, err := e.disk.ahead()
	if err != nil {
		return nil, err
	}
	if _, err := s.exec(ctx, `COMMIT`); err != nil {
		flush.end(nil) // nobody sees anything of it
		return nil, &commitError{err}
	}
	e.wal.written(len(records) + 1)
	if s.relaxed {
		flush.end(nil)
	} else {
		durable = func() error { return flush.end(e.disk.syncWAL()) }
	}
	return durable, nil
}

// rollback asks first: after some errors SQLite has rolled back by itself.
func (e *sqlite) rollback(ctx context.Context, s *session) error {
	idle := false
	err := s.conn.Raw(func(c any) error {
		idle = c.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	if err != nil || idle {
		return err
	}
	_, err = s.exec(ctx, `ROLLBACK`)
	return err
}

func (e *sqlite) clock(context.Context, *session) (time.Time, error) { return time.Time{}, nil }

func (e *sqlite) repeatable(error) bool { return false }

// broken takes all but what a single statement can bring upon itself as the
// database's failure.
func (e *sqlite) broken(_ *session, err error) bool {
	var failure sqlite3.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Code {
	case sqlite3.ErrConstraint, sqlite3.ErrError, sqlite3.ErrMismatch, sqlite3.ErrTooBig, sqlite3.ErrRange:
		return false
	}
	return true
}

func (e *sqlite) explain(err error) error {
	var failure sqlite3.Error
	if !errors.As(err, &failure) {
		return err
	}
	e.disk.doubtful(err)
	e.damage.note(err)
	if failure.Code == sqlite3.ErrFull || failure.SystemErrno == syscall.ENOSPC || failure.SystemErrno == syscall.EDQUOT {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

func (e *sqlite) spare() bool { return e.ballast.spare() }

func (e *sqlite) room() error {
	e.checkpoint("TRUNCATE") // the WAL may hold what is free in the database; if this fails, so will the probe
	return e.ballast.room()
}

// close leaves everything open, for the process to end with, where it is not known
// what is on disk, or the files are not in their places: SQLite would take the rest of the
// write-ahead log for copied, and delete it.
func (e *sqlite) close() error {
	if e.disk.doubt.Load() {
		return errDoubt
	}
	if err := e.disk.present(); err != nil {
		return err
	}
	return errors.Join(e.upkeep.Close(), e.write.Close(), e.disk.close()) // SQLite holds no lock on the file now; all that was written has been synced
}

func (e *sqlite) damaged() error { return e.damage.known() }

func (e *sqlite) settled() error { return e.disk.settled() }
func (e *sqlite) synced() error  { return e.disk.synced() }
func (e *sqlite) proved()        { e.disk.proved() }

// sound proves what is in doubt, before the writer goes on.
func (e *sqlite) sound() error {
	if err := e.disk.present(); err != nil || !e.disk.doubt.Load() {
		return err
	}
	e.disk.checkpoints.Lock()
	defer e.disk.checkpoints.Unlock()
	pages, copied, err := e.walExtent("NOOP")
	if err == nil {
		err = e.disk.prove(pages, copied)
	}
	if err != nil {
		return fmt.Errorf("store: an fsync failed, and what was written is not proved to be on disk: %w", err)
	}
	e.disk.doubt.Store(false)
	e.cfg.Log.Warn("an fsync failed; what was acknowledged was written anew and read back", "pages", pages)
	return nil
}

func (e *sqlite) nonces(context.Context) (nonces, error) { return newNonceWindow(), nil }

func (e *sqlite) schema() string { return "schema/sqlite" }
func (e *sqlite) shared() bool   { return false }

// follow follows nobody: it only passes on this process's own notices.
func (e *sqlite) follow(_ context.Context, d *DB) (leave func(), err error) {
	d.feed.lease.forever()
	d.feed.eldest.Store(true)
	return d.feed.notices.pass(), nil
}

func (e *sqlite) announce(context.Context, *session, int64) error { return nil }

func (e *sqlite) notify(ctx context.Context, here *notices, topic, payload string) error {
	return here.put(ctx, notice{topic, payload})
}

func (e *sqlite) beforehand(context.Context, []migration) error { return nil } // nobody else writes

func (e *sqlite) migration(ctx context.Context, f func(context.Context, *session) error) error {
	s, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	ctx = context.WithoutCancel(ctx)
	if err := e.begin(ctx, s, false); err != nil {
		return err
	}
	if err := f(ctx, s); err != nil {
		return errors.Join(err, e.rollback(ctx, s))
	}
	if _, err = s.exec(ctx, `COMMIT`); err != nil {
		return err
	}
	return e.disk.syncWAL()
}

func (e *sqlite) script(ctx context.Context, s *session, text string) error {
	_, err := s.conn.ExecContext(ctx, text)
	return e.explain(err)
}
