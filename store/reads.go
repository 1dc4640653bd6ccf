package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reads are the connections that only read: they do not wait for the writer, nor
// it for them. Each query sees what was committed when it began, and on SQLite returns when
// that is on disk, as it is a moment later: so nobody hands out what a crash of the machine
// takes back. That rests on the driver's making the first step of a query, which is where it
// sees what it sees, before it returns.
type reads struct {
	db     *sql.DB
	engine engine
	stmts  sync.Map // query -> statement
}

// A statement is a query that is translated, and made ready as the engine does.
type statement interface {
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
}

// query runs a query of this package. On SQLite it does not heed the end of ctx:
// the driver would start a goroutine for each query to do so, which costs more
// than most of them.
func (r *reads) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := r.early(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	if err := r.engine.settled(); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return rows, nil
}

// early is query of what nobody gets to see before something is committed that rests on
// it: that is on disk no sooner than what it saw.
func (r *reads) early(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, ok := r.stmts.Load(query)
	if !ok {
		prepared, err := r.engine.prepare(ctx, r.db, r.engine.dialect(query))
		if err != nil {
			return nil, r.engine.explain(err)
		}
		stmt, _ = r.stmts.LoadOrStore(query, prepared)
	}
	rows, err := stmt.(statement).QueryContext(r.engine.readContext(ctx), args...)
	return rows, r.engine.explain(err)
}

// earlyRow is row by early.
func (r *reads) earlyRow(ctx context.Context, query string, args []any, dest ...any) error {
	rows, err := r.early(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanOne(rows, dest)
}

// row reads the only row of a query, or returns [ErrNotFound].
func (r *reads) row(ctx context.Context, query string, args []any, dest ...any) error {
	rows, err := r.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanOne(rows, dest)
}

func (r *reads) close() error { return r.db.Close() }
