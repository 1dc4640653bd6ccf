package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// An engine is what SQLite and PostgreSQL do differently. The queries are the
// same, but for what stands in braces: {share of i, c} and {update} lock rows
// against other writers, of which SQLite has none.
type engine interface {
	// dialect returns the query as the engine takes it.
	dialect(query string) string

	// renew gives up connections that read, after one of them did not answer.
	renew()

	// among returns what a column is one of the values by, and the argument $1 of that.
	among(values []string) (condition string, arg any)

	// explain returns err as the error of this package that it amounts to, if any.
	explain(err error) error

	// reader returns the connections for reading.
	reader() *reads

	// prepare makes a translated query ready for db, the connections for reading.
	prepare(ctx context.Context, db *sql.DB, query string) (statement, error)

	// readContext returns the context for a read that ctx asked for.
	readContext(ctx context.Context) context.Context

	// connect opens the writer's connection.
	connect(ctx context.Context) (*session, error)

	// limit bounds the time of one transaction, where the engine is one that can
	// stop answering.
	limit(ctx context.Context) (context.Context, context.CancelFunc)

	// begin begins a transaction; a relaxed one need not be on disk when it ends.
	begin(ctx context.Context, s *session, relaxed bool) error

	// whole returns the demands of the calls as statements that atOnce can make, if it can
	// make all of them. It may put the calls in another order.
	whole(s *session, calls []*call) (demands []demand, ok bool)

	// atOnce makes a whole transaction of them, with entries and tiles that follow the log
	// as this process knows it. It says whether it did. If not, and without an error,
	// nothing was done, and apply finds out why; errors are those of finish. The
	// transaction is to be rolled back then.
	atOnce(ctx context.Context, s *session, demands []demand, records []audit.Record, tiles []audit.Tile) (done bool, err error)

	// awaitTurn waits until it is this process's turn among those that write to the
	// database, or for as long as it is worth while. The turn ends with apply, or with
	// rollback. After an error the session is of no use.
	awaitTurn(ctx context.Context, s *session) error

	// apply begins a transaction, meets the demands of the calls, and takes the
	// log's lock. A call whose demands are not met leaves no trace, and gets its
	// error; or it is among again, and is to be applied once more, alone. The tail
	// is the hashes of the log's entries after the first size. After an error the
	// transaction is to be rolled back; it is the error of every call.
	apply(ctx context.Context, s *session, calls []*call, size int64) (again []*call, tail []tlog.Hash, err error)

	// lock takes the log's lock in a transaction that has begun, and returns the
	// tail.
	lock(ctx context.Context, s *session, size int64) ([]tlog.Hash, error)

	// settled waits until what others could read of this process's transactions before is
	// on disk.
	settled() error

	// synced has on disk what another process committed, and this one has read.
	synced() error

	// proved is told, once the engine was found sound, that nobody waits any more to hear
	// what became of a transaction that durable failed to see on disk: it is there.
	proved()

	// finish writes entries and tiles, and commits. A [*commitError] means that
	// the transaction may have been committed; any other error, that it was not.
	//
	// What was committed is on disk if durable is nil. Otherwise it is when durable
	// returns nil: that is called once, by any goroutine, and another transaction may be
	// begun meanwhile. Its finish waits for that, and if it failed commits nothing.
	finish(ctx context.Context, s *session, records []audit.Record, tiles []audit.Tile) (durable func() error, err error)

	// rollback ends the transaction if there is one. After an error the session is
	// of no use.
	rollback(ctx context.Context, s *session) error

	// repeatable says that err is a conflict with another writer, which the same
	// transaction may not meet again.
	repeatable(err error) bool

	// sound returns an error while the engine may not be written to, since what it
	// has acknowledged may be lost.
	sound() error

	// damaged returns what was read and cannot be what was written, until the engine
	// is opened anew.
	damaged() error

	// clock returns the time of a server that others use, too; zero: there is none.
	clock(ctx context.Context, s *session) (time.Time, error)

	// broken says that err is about the database, not about one statement: no
	// other call could succeed in its transaction either.
	broken(s *session, err error) bool

	// beforehand makes what these steps can find there already, and takes long, while
	// other processes go on writing.
	beforehand(ctx context.Context, steps []migration) error

	// during runs f, which takes its time and does not use the session, within the
	// session's transaction.
	during(ctx context.Context, s *session, f func(context.Context) error) error

	// migration runs f in one transaction, alone among all processes.
	migration(ctx context.Context, f func(context.Context, *session) error) error

	// script runs the statements of a migration.
	script(ctx context.Context, s *session, text string) error

	// backup copies the store as it is into a new file in the folder.
	backup(ctx context.Context, dir, name string) (file string, err error)

	// nonces returns the store's nonces; the schema must be there.
	nonces(ctx context.Context) (nonces, error)

	// schema is the folder of the migrations.
	schema() string

	// shared says whether other processes may write, too.
	shared() bool

	// follow starts what feeds d with what other processes do, and gives it a lease.
	// When leave returns, that has ended.
	follow(ctx context.Context, d *DB) (leave func(), err error)

	// announce tells the other processes, once the transaction is committed, that
	// something was revoked with this number.
	announce(ctx context.Context, s *session, number int64) error

	// notify sends a notice to all processes.
	notify(ctx context.Context, here *notices, topic, payload string) error

	// maintain keeps the engine well until ctx is done.
	maintain(ctx context.Context) error

	// excess returns how many pages the store's file should give back, and shrink gives
	// some back in a transaction that has begun. convert makes a file of before one that
	// can.
	excess(ctx context.Context) (int64, error)
	shrink(ctx context.Context, s *session, pages int64) error
	convert(ctx context.Context) error

	// spare gives up the disk space that is kept for revoking, and says whether
	// there was any. room returns an error while a disk that was full has no room,
	// also for that.
	spare() bool
	room() error

	close() error
}

// readTail reads the log's hashes after an entry.
const readTail = `SELECT hash FROM audit WHERE seq > $1 ORDER BY seq`

// A commitError reports that a COMMIT was sent, and its outcome not seen.
type commitError struct{ err error }

func (e *commitError) Error() string { return fmt.Sprintf("commit: %v", e.err) }
func (e *commitError) Unwrap() error { return e.err }

// openEngine opens the engine that the DSN names.
func openEngine(ctx context.Context, cfg Config) (engine, error) {
	if path, ok := strings.CutPrefix(cfg.DSN, "sqlite:"); ok && path != "" {
		return openSQLite(ctx, path, cfg)
	}
	if strings.HasPrefix(cfg.DSN, "postgres://") || strings.HasPrefix(cfg.DSN, "postgresql://") {
		return openPostgres(ctx, cfg)
	}
	scheme, _, _ := strings.Cut(cfg.DSN, ":") // what follows may hold a password
	return nil, fmt.Errorf("store: data source %q: want sqlite:PATH or postgres://", scheme)
}

// braces takes what stands in braces out of a query, or lets replace say what
// stands there instead.
func braces(query string, replace func(string) string) string {
	before, rest, ok := strings.Cut(query, "{")
	if !ok {
		return query
	}
	inside, after, _ := strings.Cut(rest, "}")
	return before + replace(inside) + braces(after, replace)
}
