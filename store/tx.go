package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Tx collects what one Update demands of its transaction. Its methods send
// nothing and return nothing: an unmet demand makes Update return the error that
// the method names, and nothing of the call is recorded. Demands are checked in
// the order in which they were made, each seeing what those before it did.
//
// A Tx is for one goroutine, and only until the function that got it returns.
type Tx struct {
	now     time.Time
	demands []demand
	revokes bool // may write revocations, for the feed to look

	exec func(demand) error // AloneTx: sends a demand at once
	err  error              // AloneTx: the first unmet demand
}

// A demand is one statement, the rows that it must affect, and the error that
// any other number means. It can be sent again.
type demand struct {
	query string
	args  []any
	rows  int64 // anyRows: any number
	err   error
}

const anyRows = -1

// met returns nil if affecting this many rows meets the demand.
func (d demand) met(rows int64) error {
	if d.rows == anyRows || d.rows == rows {
		return nil
	}
	return d.err
}

// Now returns the transaction's time, which its records carry.
func (t *Tx) Now() time.Time { return t.now }

func (t *Tx) millis() int64 { return t.now.UnixMilli() }

func (t *Tx) demand(rows int64, unmet error, query string, args ...any) {
	d := demand{query, args, rows, unmet}
	switch {
	case t.exec == nil:
		t.demands = append(t.demands, d)
	case t.err == nil:
		t.err = t.exec(d)
	}
}

// An AloneTx is a transaction of its own: what it demands is done at once, and
// it can read what it did. After an unmet demand everything else it does fails
// with the same error.
type AloneTx struct {
	Tx
	session *session
}

// Err returns the error of the first unmet demand, or nil.
func (t *AloneTx) Err() error { return t.err }

func (t *AloneTx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if t.err != nil {
		return nil, t.err
	}
	rows, err := t.session.query(ctx, query, args)
	t.fail(err)
	return rows, err
}

// row reads one row; [ErrNotFound] is no failure of the transaction.
func (t *AloneTx) row(ctx context.Context, query string, args []any, dest ...any) error {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return err
	}
	err = scanOne(rows, dest)
	if !isNotFound(err) {
		t.fail(err)
	}
	return err
}

func (t *AloneTx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// A RelaxedTx collects what one Relaxed demands. It is a type of its own so that
// nothing audited can be written through it.
type RelaxedTx struct{ tx Tx }

// Now returns the transaction's time.
func (t *RelaxedTx) Now() time.Time { return t.tx.now }

func (t *RelaxedTx) millis() int64 { return t.tx.millis() }

func (t *RelaxedTx) demand(rows int64, unmet error, query string, args ...any) {
	t.tx.demand(rows, unmet, query, args...)
}

// scanOne scans the only row and closes rows; [ErrNotFound] if there is none.
func scanOne(rows *sql.Rows, dest []any) error {
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return ErrNotFound
	}
	if err := rows.Scan(dest...); err != nil {
		return fmt.Errorf("scanning: %w", err)
	}
	return rows.Close()
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
