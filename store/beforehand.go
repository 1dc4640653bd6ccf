package store

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
)

// indexLock is an advisory lock of the session that makes indexes beforehand.
const indexLock = logLock + 4

// indexLater finds the indexes that a migration makes only if they are not there yet.
var indexLater = regexp.MustCompile(`(?m)^CREATE INDEX IF NOT EXISTS (\w+) (ON [^;]+);`)

// beforehand makes the indexes of the steps that are written CREATE INDEX IF NOT EXISTS,
// before their migration, in which other replicas could not write for as long as it takes:
// over a log of ten million entries some ten seconds, over one that grew for years longer
// than their transactions last. Made so, it takes about twice as long, and nobody waits.
//
// Should the migration fail after all, or the program end, then an index is there that
// nobody reads. One that was not finished is made again.
func (e *postgres) beforehand(ctx context.Context, steps []migration) error {
	var have int
	if err := e.read.QueryRowContext(ctx, `SELECT CASE WHEN to_regclass('migrations') IS NULL THEN 0 ELSE 1 END`).Scan(&have); err != nil || have == 0 {
		return err // of an empty database the migration makes everything
	}
	if err := e.read.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM migrations`).Scan(&have); err != nil || have == 0 || have >= len(steps) {
		return err
	}
	for _, m := range steps[have:] {
		for _, index := range indexLater.FindAllStringSubmatch(m.text, -1) {
			began := e.cfg.Now()
			if err := e.makeIndex(ctx, index[1], index[2]); err != nil {
				return fmt.Errorf("making the index %s of migration %04d_%s: %w", index[1], m.number, m.name, e.explain(err))
			}
			e.cfg.Log.Info("made an index before the schema changes", "index", index[1], "seconds", e.cfg.Now().Sub(began).Seconds())
		}
	}
	return nil
}

// makeIndex makes an index while others write. It takes the lock by asking again and
// again: who waits for it in the server would be in a transaction, and the index waits for
// those.
func (e *postgres) makeIndex(ctx context.Context, name, definition string) error {
	s, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return e.raw(s, func(conn *pgx.Conn) error {
		for {
			var taken bool
			if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(indexLock)).Scan(&taken); err != nil {
				return err
			}
			if taken {
				break
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(pause):
			}
		}
		defer conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(indexLock)) // or it goes with the connection
		var unfinished bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_index i WHERE i.indexrelid = to_regclass($1) AND NOT i.indisvalid)`, name).Scan(&unfinished); err != nil {
			return err
		}
		if unfinished {
			if _, err := conn.Exec(ctx, `DROP INDEX CONCURRENTLY `+name); err != nil {
				return err
			}
		}
		_, err := conn.Exec(ctx, `CREATE INDEX CONCURRENTLY IF NOT EXISTS `+name+` `+definition)
		return err
	})
}
