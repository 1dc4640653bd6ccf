package store

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// givePages bounds one step: each page that is given back is at the end of the file
	// and changes places with a free one.
	givePages = 64

	// giveSlack is the share of the file that stays free for what comes next, one in so
	// many pages; and giveLeast pages are not worth a write.
	giveSlack = 50
	giveLeast = 256

	giveLook = 30 * time.Second // between looks whether there is something to give back
	giveIdle = 2 * time.Second  // without a write: nobody is disturbed
)

// giveBack hands the pages that were freed back to the file system, some at a time, as
// long as nobody writes. On PostgreSQL that is autovacuum's: it makes them free for
// other rows, and nothing of ours holds a transaction open that would keep it from it.
func (d *DB) giveBack(ctx context.Context) error {
	for ctx.Err() == nil {
		left, err := d.engine.excess(ctx)
		if err != nil || left == 0 {
			return err
		}
		if !d.idle(ctx) {
			return nil
		}
		began := time.Now()
		if err := d.quiet(ctx, func(ctx context.Context, tx *AloneTx) error {
			return d.engine.shrink(ctx, tx.session, min(left, givePages))
		}); err != nil {
			return err
		}
		var rest pace
		if err := rest.rest(ctx, time.Since(began)); err != nil {
			return nil
		}
	}
	return nil
}

// idle says that nobody else has written for two seconds. It remembers what it saw, so
// that of many steps in a row only the first waits.
func (d *DB) idle(ctx context.Context) bool {
	calls := d.Stats().Calls
	if calls == d.idleCalls {
		d.idleCalls++ // what the caller writes now
		return true
	}
	wait := time.NewTimer(giveIdle)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return false
	}
	d.idleCalls = calls + 1
	return d.Stats().Calls == calls
}

// excess returns how many free pages the file has beyond the slack; none if it was made
// before files could be shrunk.
func (e *sqlite) excess(ctx context.Context) (int64, error) {
	var mode, free, pages int64
	for _, ask := range []struct {
		pragma string
		to     *int64
	}{{`PRAGMA auto_vacuum`, &mode}, {`PRAGMA freelist_count`, &free}, {`PRAGMA page_count`, &pages}} {
		if err := e.upkeep.QueryRowContext(context.WithoutCancel(ctx), ask.pragma).Scan(ask.to); err != nil {
			return 0, e.explain(err)
		}
	}
	if left := free - pages/giveSlack; mode == incremental && left > giveLeast {
		return left, nil
	}
	return 0, nil
}

// incremental is SQLite's auto_vacuum in which pages are given back when it is asked to.
const incremental = 2

// shrink gives pages back, in the transaction that has begun. The statement gives back
// one at each step of its rows.
func (e *sqlite) shrink(ctx context.Context, s *session, pages int64) error {
	rows, err := s.conn.QueryContext(ctx, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, pages))
	if err != nil {
		return e.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	return e.explain(rows.Err())
}

// convert makes a file of before into one that can be shrunk. That writes it anew, so
// it is done when a migration has made a copy of all of it anyway, and if the disk has
// room for it; otherwise free pages are only used again.
func (e *sqlite) convert(ctx context.Context) error {
	var mode int64
	if err := e.write.QueryRowContext(ctx, `PRAGMA auto_vacuum`).Scan(&mode); err != nil || mode == incremental {
		return err
	}
	file, err := os.Stat(e.path)
	if err != nil {
		return err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(e.path, &disk); err != nil {
		return err
	}
	if need := 3 * file.Size(); int64(disk.Bavail)*disk.Bsize < need {
		return fmt.Errorf("the file cannot give space back until it is written anew, which takes %d MiB of disk", need>>20)
	}
	if _, err := e.write.ExecContext(ctx, fmt.Sprintf(`PRAGMA auto_vacuum = %d; VACUUM`, incremental)); err != nil {
		return e.explain(err)
	}
	e.upkeep.SetMaxIdleConns(0) // a connection of before goes on taking the file for what it was
	e.upkeep.SetMaxIdleConns(1)
	_, err = e.checkpoint("TRUNCATE")
	return err
}

func (e *postgres) excess(context.Context) (int64, error)         { return 0, nil }
func (e *postgres) shrink(context.Context, *session, int64) error { return nil }
func (e *postgres) convert(context.Context) error                 { return nil }
