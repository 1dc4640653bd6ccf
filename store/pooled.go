package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A pooled is a query on whichever connection of the pool is free.
type pooled struct {
	db    *sql.DB
	pool  *pgxpool.Pool
	query string
}

// QueryContext asks once more if the connection turns out to be lost: a server that
// was restarted leaves a pool of dead ones behind, and whoever reads next should not
// hear of it. All of them are given up; to read twice does no harm.
func (p pooled) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	rows, err := p.db.QueryContext(ctx, p.query, args...)
	if err == nil || ctx.Err() != nil || !gone(err) {
		return rows, err
	}
	p.pool.Reset()
	return p.db.QueryContext(ctx, p.query, args...)
}

// gone says that an error is the end of a connection that had been made.
func gone(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code == "57P01" || refused.Code == "57P02" // the server is stopped, or crashed
	}
	var connecting *pgconn.ConnectError
	var network *net.OpError
	return !errors.As(err, &connecting) &&
		(errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed))
}
