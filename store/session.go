package store

import (
	"context"
	"database/sql"
	"errors"
)

// A session is the writer's connection. It belongs to the writer's goroutine.
type session struct {
	conn    *sql.Conn
	engine  engine
	stmts   map[string]*sql.Stmt
	texts   map[string]string // of dialect
	exact   map[string]string // of exactly
	relaxed bool              // SQLite: the transaction need not be on disk when it ends
	turn    bool              // PostgreSQL: it is this process's turn, and a transaction has begun
}

func newSession(conn *sql.Conn, e engine) *session {
	return &session{conn: conn, engine: e, stmts: map[string]*sql.Stmt{}, texts: map[string]string{}, exact: map[string]string{}}
}

// dialect returns the query as the engine takes it, translated once.
func (s *session) dialect(query string) string {
	text, ok := s.texts[query]
	if !ok {
		text = s.engine.dialect(query)
		s.texts[query] = text
	}
	return text
}

// prepared returns the query as a statement of this connection, prepared once.
func (s *session) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, s.dialect(query))
	if err != nil {
		return nil, s.engine.explain(err)
	}
	s.stmts[query] = stmt
	return stmt, nil
}

// exec runs a statement and returns the rows that it affected.
func (s *session) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, s.engine.explain(err)
	}
	return result.RowsAffected()
}

// query runs a query; its rows must be closed before the session is used again.
func (s *session) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	return rows, s.engine.explain(err)
}

// row reads the only row of a query, or returns [ErrNotFound].
func (s *session) row(ctx context.Context, query string, args []any, dest ...any) error {
	rows, err := s.query(ctx, query, args)
	if err != nil {
		return err
	}
	return scanOne(rows, dest)
}

// meet sends a demand, and returns its error if it is not met.
func (s *session) meet(ctx context.Context, d demand) error {
	rows, err := s.exec(ctx, d.query, d.args...)
	if err != nil {
		return err
	}
	return d.met(rows)
}

func (s *session) close() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}
