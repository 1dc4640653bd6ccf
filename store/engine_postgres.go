package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/mod/sumdb/tlog"
)

// postgres is the engine on PostgreSQL. Any number of processes may write: rows
// that a decision rests on are locked by the statement that relies on them, and
// the log is appended to under one advisory lock, which is taken after the
// statements of the calls and held until COMMIT. They take turns in making batches.
type postgres struct {
	cfg   Config
	conf  *pgx.ConnConfig
	write *sql.DB // one connection, the writer's
	pool  *pgxpool.Pool
	read  *sql.DB // over the pool

	patience time.Duration // with others whose turn it is
	alive    time.Duration // see aliveEvery
}

const (
	// logLock and migrationLock are advisory locks, known by numbers that nobody
	// else in the database is likely to use.
	logLock       = 0x6265746f6e696361 // "betonica"
	migrationLock = logLock + 1
	contractLock  = logLock + 2 // turnLock and indexLock are the next

	// transaction bounds a transaction of the writer; what it waits for is another
	// replica's, or the network.
	transaction = 30 * time.Second
)

func openPostgres(ctx context.Context, cfg Config) (*postgres, error) {
	conf, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, errors.New("store: the data source is malformed: want postgres://user@host/database") // err may quote the password
	}
	if err := approvedAuth(conf.ConnConfig); err != nil {
		return nil, err
	}
	// Every query here has an index to follow, row by row and in its order. A plan
	// that was made while a table was nearly empty would scan and sort it instead,
	// and be kept while the table grows.
	for _, detour := range []string{"enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin", "enable_mergejoin", "jit"} {
		conf.ConnConfig.RuntimeParams[detour] = "off"
	}
	// What is counted is to take its time on one processor, and not on all there are.
	conf.ConnConfig.RuntimeParams["max_parallel_workers_per_gather"] = "0"
	// Nor would another plan be found by planning a query anew for its arguments.
	conf.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	writer := conf.ConnConfig.Copy()
	// Each statement sees what was committed before it, whatever the database's
	// default is: those behind a lock rely on that.
	writer.RuntimeParams["default_transaction_isolation"] = "read committed"
	// A writer that the network cut off must not hold the log's lock for long.
	writer.RuntimeParams["idle_in_transaction_session_timeout"] = "10s"
	e := &postgres{
		cfg: cfg, conf: writer, pool: pool,
		write: stdlib.OpenDB(*writer, stdlib.OptionAfterConnect(durable)),
		read:  stdlib.OpenDBFromPool(pool),

		patience: turnPatience, alive: aliveEvery,
	}
	if err := e.read.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: connecting to PostgreSQL: %w", err), e.read.Close(), e.close())
	}
	var fsync string
	if err := e.read.QueryRowContext(ctx, `SHOW fsync`).Scan(&fsync); err == nil && fsync != "on" {
		cfg.Log.Warn("PostgreSQL runs with fsync off: what is recorded here does not survive its host")
	}
	return e, nil
}

// durable makes a connection's commits wait for the disk where the server's
// default is not to. Stronger defaults, for synchronous standbys, stay. And the server is
// to find out within about 11 s that nobody is there any more: in the middle of a batch
// that did not arrive whole it does not look at how long the transaction is silent.
func durable(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false), set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '11000', false)`)
	return err
}

func (e *postgres) dialect(query string) string {
	return braces(query, func(inside string) string { return "FOR " + strings.ToUpper(inside) })
}

func (e *postgres) among(values []string) (string, any) { return `= ANY ($1)`, values }

func (e *postgres) renew() { e.pool.Reset() }

func (e *postgres) reader() *reads { return &reads{db: e.read, engine: e} }

// prepare leaves it to the driver, which prepares a query once for each connection
// of its pool. A statement of database/sql would be prepared and deallocated on
// each use, in a round trip each, as a connection goes back to the pool after it.
func (e *postgres) prepare(_ context.Context, db *sql.DB, query string) (statement, error) {
	return pooled{db, e.pool, query}, nil
}

func (e *postgres) readContext(ctx context.Context) context.Context { return ctx }

func (e *postgres) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, transaction)
}

func (e *postgres) connect(ctx context.Context) (*session, error) {
	conn, err := e.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return newSession(conn, e), nil
}

func (e *postgres) begin(ctx context.Context, s *session, relaxed bool) error {
	if _, err := s.exec(ctx, `BEGIN`); err != nil || !relaxed {
		return err
	}
	_, err := s.exec(ctx, notDurable)
	return err
}

const notDurable = `SET LOCAL synchronous_commit TO off`

// lock takes the log's lock. The second query sees what was committed before the
// lock was given, since each has a snapshot of its own (READ COMMITTED).
func (e *postgres) lock(ctx context.Context, s *session, size int64) ([]tlog.Hash, error) {
	if _, err := s.exec(ctx, takeLock, int64(logLock)); err != nil {
		return nil, err
	}
	rows, err := s.query(ctx, readTail, []any{size})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return collectHashes(rows)
}

const takeLock = `SELECT pg_advisory_xact_lock($1)`

func (e *postgres) rollback(ctx context.Context, s *session) error {
	return e.raw(s, func(conn *pgx.Conn) error {
		if conn.IsClosed() {
			return driver.ErrBadConn
		}
		if conn.PgConn().TxStatus() != 'I' {
			if _, err := conn.Exec(ctx, `ROLLBACK`); err != nil {
				return err
			}
		}
		return leaveTurn(ctx, s, conn)
	})
}

// raw hands out the connection beneath database/sql, for pipelines.
func (e *postgres) raw(s *session, f func(*pgx.Conn) error) error {
	return s.conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn()) })
}

func (e *postgres) damaged() error { return nil } // it says so with each query

// settled has nothing to wait for: PostgreSQL shows what is on its disk.
func (e *postgres) settled() error { return nil }
func (e *postgres) synced() error  { return nil }
func (e *postgres) proved()        {}

func (e *postgres) sound() error { return nil } // it ends itself, and recovers

func (e *postgres) clock(ctx context.Context, s *session) (time.Time, error) {
	rows, err := s.query(ctx, `SELECT `+serverMillis, nil)
	if err != nil {
		return time.Time{}, err
	}
	var at int64
	if err := scanOne(rows, []any{&at}); err != nil {
		return time.Time{}, err
	}
	return fromMillis(at), nil
}

func (e *postgres) repeatable(err error) bool {
	code := sqlState(err)
	return code == "40001" || code == "40P01" // serialization failure, deadlock
}

// broken takes a lost connection, and errors that are about the server and not
// about the statement, as the database's failure.
func (e *postgres) broken(s *session, err error) bool {
	if e.repeatable(err) || e.lost(s) {
		return true
	}
	var refused *pgconn.PgError
	return errors.As(err, &refused) && serverFailed(refused)
}

// serverFailed says that an error is not about the statement that met it.
func serverFailed(err *pgconn.PgError) bool {
	switch err.Code[:min(2, len(err.Code))] {
	case "", "08", "53", "57", "58", "XX": // connection, resources, operator, system, internal
		return true
	}
	return false
}

// lost says that the session's connection is of no use.
func (e *postgres) lost(s *session) bool {
	err := e.raw(s, func(conn *pgx.Conn) error {
		if conn.IsClosed() {
			return driver.ErrBadConn
		}
		return nil
	})
	return err != nil
}

func (e *postgres) explain(err error) error {
	if sqlState(err) == "53100" {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// sqlState returns PostgreSQL's code of the error, or the empty string.
func sqlState(err error) string {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}

func (e *postgres) spare() bool { return false } // the server's disk is the server's
func (e *postgres) room() error { return nil }

func (e *postgres) maintain(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (e *postgres) close() error {
	err := e.write.Close()
	e.pool.Close()
	return err
}

func (e *postgres) nonces(ctx context.Context) (nonces, error) {
	return newNonceTable(ctx, e.read, e.cfg.Now)
}

func (e *postgres) schema() string { return "schema/postgres" }
func (e *postgres) shared() bool   { return true }

func (e *postgres) migration(ctx context.Context, f func(context.Context, *session) error) error {
	s, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := e.begin(ctx, s, false); err != nil {
		return err
	}
	if _, err := s.exec(ctx, takeLock, int64(migrationLock)); err != nil {
		return errors.Join(err, e.rollback(ctx, s))
	}
	if err := f(ctx, s); err != nil {
		return errors.Join(err, e.rollback(ctx, s))
	}
	_, err = s.exec(ctx, `COMMIT`)
	return err
}

func (e *postgres) script(ctx context.Context, s *session, text string) error {
	return e.raw(s, func(conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, text).ReadAll()
		return e.explain(err)
	})
}
