package store

import (
	"context"
	"database/sql/driver"
	"io"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"
)

// damage is the first damage of the database that somebody read. It stays until the
// daemon starts anew: who writes on makes it worse, and who decides on what is left
// signs what is not true.
type damage struct{ met atomic.Pointer[error] }

// note takes what a read met.
func (d *damage) note(err error) {
	if err != nil && err != io.EOF && TroubleOf(err) == TroubleCorrupt {
		d.met.CompareAndSwap(nil, &err)
	}
}

// known returns the damage, or nil.
func (d *damage) known() error {
	if err := d.met.Load(); err != nil {
		return *err
	}
	return nil
}

// A watchedConn shows the errors of its queries to a damage, wherever their rows are
// read.
type watchedConn struct {
	*sqlite3.SQLiteConn
	*damage
}

func (c watchedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.SQLiteConn.PrepareContext(ctx, query)
	if err != nil {
		c.note(err)
		return nil, err
	}
	return watchedStmt{stmt.(*sqlite3.SQLiteStmt), c.damage}, nil
}

func (c watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.watch(c.SQLiteConn.QueryContext(ctx, query, args))
}

type watchedStmt struct {
	*sqlite3.SQLiteStmt
	*damage
}

func (s watchedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.watch(s.SQLiteStmt.QueryContext(ctx, args))
}

func (d *damage) watch(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		d.note(err)
		return nil, err
	}
	return watchedRows{rows, d}, nil
}

type watchedRows struct {
	driver.Rows
	*damage
}

func (r watchedRows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	r.note(err)
	return err
}
