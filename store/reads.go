package store

import (
	"context"
	"database/sql"
	"sync"
)

// reads are the connections that only read: they do not wait for the writer, nor
// it for them. Each query sees what was committed when it began.
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

// row reads the only row of a query, or returns [ErrNotFound].
func (r *reads) row(ctx context.Context, query string, args []any, dest ...any) error {
	rows, err := r.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanOne(rows, dest)
}

func (r *reads) close() error { return r.db.Close() }
