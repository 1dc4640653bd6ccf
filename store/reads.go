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
	stmts  sync.Map // query -> *sql.Stmt; SQLite prepares on each use otherwise
}

// query runs a query of this package. On SQLite it does not heed the end of ctx:
// the driver would start a goroutine for each query to do so, which costs more
// than most of them.
func (r *reads) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, ok := r.stmts.Load(query)
	if !ok {
		prepared, err := r.db.PrepareContext(ctx, r.engine.dialect(query))
		if err != nil {
			return nil, r.engine.explain(err)
		}
		if stmt, ok = r.stmts.LoadOrStore(query, prepared); ok {
			prepared.Close()
		}
	}
	rows, err := stmt.(*sql.Stmt).QueryContext(r.engine.readContext(ctx), args...)
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
