package store

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

const (
	walRows  = 2000            // entries of the log between two checkpoints of the WAL
	walAlone = 40_000          // entries without a checkpoint: nobody runs maintain, and the writer sees to it
	walReset = 64 << 20        // bytes of WAL above which the writer lets it start anew
	walKeep  = 256 << 20       // bytes of WAL that an idle store keeps: overwriting costs half of what appending does
	walIdle  = 2 * time.Second // without a write: the store is idle
	walPage  = 4096            // bytes of a page, SQLite's default
	walRest  = 256             // pages that the writer may be left to copy
	walTurns = 8               // copies in the background that make the rest so few
	walPart  = 32              // pages that are written out to the disk at a time

	busyWait  = "10000" // milliseconds that the writer waits for a lock
	resetWait = "5"     // that it waits for readers before the WAL starts anew
)

// wal counts what was written since the last checkpoint of the write-ahead log.
//
// SQLite would copy the WAL into the database by itself, inside a commit: with
// 500,000 certificates that makes the slowest of a hundred writes take 111 ms.
// Copying in the background on a second connection makes it 12 ms, but under load
// it never ends, and the WAL starts anew only when all of it has been copied. So
// when it is long the writer itself copies the rest, which is little, right after
// a background copy; forcing it from outside would take 40 to 310 ms.
//
// SQLite syncs the database only with a copy that is all. One in the background seldom
// is, so it would leave that to the writer, for all that was copied since the last time:
// with 900,000 certificates one commit in two hundred waited 110 to 220 ms for it.
// So the background syncs, too, and copies what came meanwhile. While it did so all at
// once, commits took twice as long as otherwise (9.7 ms for 5, one in a hundred 30): it has
// the pages written in small parts first, which takes longer and lets commits pass. The
// log grows meanwhile: to 200 MiB instead of 130 at 1,400 certificates a second.
type wal struct {
	rows  atomic.Int64
	due   chan struct{}
	reset atomic.Bool // the writer is to copy the rest
}

func newWAL() *wal { return &wal{due: make(chan struct{}, 1)} }

// written adds what one commit wrote.
func (w *wal) written(rows int) {
	sum := w.rows.Add(int64(rows))
	if sum < walRows {
		return
	}
	if sum > walAlone {
		w.reset.Store(true)
	}
	select {
	case w.due <- struct{}{}:
	default:
	}
}

// maintain copies the WAL into the database whenever enough has been written, and
// when the store is idle.
func (e *sqlite) maintain(ctx context.Context) error {
	idle := time.NewTicker(walIdle)
	defer idle.Stop()
	for quiet := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wal.due:
			quiet = false
		case <-idle.C:
			if quiet && e.wal.rows.Load() == 0 {
				continue
			}
			quiet = e.wal.rows.Load() == 0
		}
		e.wal.rows.Store(0)
		if err := e.checkpointWAL(quiet); err != nil {
			e.cfg.Log.Warn("checkpoint of the write-ahead log", "error", err)
		}
	}
}

// checkpointWAL copies what it can without making anybody wait; has the writer do
// the rest if the WAL is long; and gives its disk space back in a quiet store.
func (e *sqlite) checkpointWAL(quiet bool) error {
	pages, rest, err := e.copyWAL()
	if err != nil {
		return err
	}
	if pages*walPage > walReset {
		for turn := 1; turn < walTurns && rest > walRest; turn++ {
			if _, rest, err = e.copyWAL(); err != nil {
				return err
			}
		}
		e.wal.reset.Store(true)
	}
	file, err := os.Stat(e.path + "-wal")
	if err == nil && quiet && file.Size() > walKeep {
		_, err = e.checkpoint("TRUNCATE")
	}
	return err
}

// copyWAL copies what is in the WAL into the database and syncs that. It returns the pages
// that were in the WAL, and those that are there uncopied when it ends.
func (e *sqlite) copyWAL() (pages, rest int64, err error) {
	e.disk.checkpoints.Lock()
	defer e.disk.checkpoints.Unlock()
	if e.disk.doubt.Load() {
		return 0, 0, errDoubt
	}
	if err := e.disk.present(); err != nil {
		return 0, 0, err
	}
	_, before, err := e.walExtent("NOOP")
	if err != nil {
		return 0, 0, err
	}
	pages, copied, err := e.walExtent("PASSIVE")
	if err != nil {
		return 0, 0, err
	}
	fresh := copied - before
	if fresh < 0 { // the log began anew meanwhile
		fresh = copied
	}
	if err := e.disk.sync(fresh); err != nil {
		return 0, 0, err
	}
	now, copied, err := e.walExtent("NOOP")
	return pages, now - copied, err
}

// resetWAL is the writer's part, between two transactions: it copies the rest, and has the
// WAL start anew. For those who are reading what is in it, it waits a few milliseconds; if
// they read for longer, it stays for now. Before that it waits for the transaction that is on
// its way to the disk, and with it for those who have read that.
func (e *sqlite) resetWAL(ctx context.Context, s *session) {
	if e.wal.reset.Load() && e.disk.settled() == nil && !e.disk.doubt.Load() && e.disk.checkpoints.TryLock() {
		defer e.disk.checkpoints.Unlock()
		e.wal.reset.Store(false)
		e.wal.rows.Store(0)
		for _, pragma := range []string{`PRAGMA busy_timeout = ` + resetWait, `PRAGMA wal_checkpoint(RESTART)`, `PRAGMA busy_timeout = ` + busyWait, e.disk.cache()} {
			if _, err := s.conn.ExecContext(ctx, pragma); err != nil {
				e.cfg.Log.Warn("reset of the write-ahead log", "error", e.explain(err))
			}
		}
	}
}

// checkpoint returns the pages that are in the WAL.
func (e *sqlite) checkpoint(mode string) (pages int64, err error) {
	e.disk.checkpoints.Lock()
	defer e.disk.checkpoints.Unlock()
	if e.disk.doubt.Load() {
		return 0, errDoubt
	}
	if err := e.disk.present(); err != nil {
		return 0, err
	}
	pages, _, err = e.walExtent(mode)
	return pages, err
}

// walExtent makes a checkpoint (NOOP: none), and returns the pages that are in the
// WAL and how many of them, from the first on, are in the database, too.
func (e *sqlite) walExtent(mode string) (pages, copied int64, err error) {
	var busy int64
	row := e.upkeep.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`)
	if err := row.Scan(&busy, &pages, &copied); err != nil {
		return 0, 0, fmt.Errorf("checkpoint %s: %w", mode, e.explain(err))
	}
	return pages, copied, nil
}
