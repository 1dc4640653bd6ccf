package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	walRows  = 2000            // entries of the log between two checkpoints of the WAL
	walReset = 512 << 20       // bytes of WAL above which writers wait for a reset
	walKeep  = 64 << 20        // bytes of WAL that an idle store keeps
	walIdle  = 2 * time.Second // without a write: the store is idle
	walPage  = 4096            // bytes of a page, SQLite's default
)

// wal counts what was written since the last checkpoint of the write-ahead log.
//
// SQLite would copy the WAL into the database by itself, inside a commit: with
// 500,000 certificates that makes the slowest of a hundred writes take 111 ms.
// Copying in the background on a second connection makes it 12 ms; but the WAL
// then starts anew only when nobody writes for a moment, so it is reset by force
// above walReset, which takes 40 to 310 ms.
type wal struct {
	rows atomic.Int64
	due  chan struct{}
}

func newWAL() *wal { return &wal{due: make(chan struct{}, 1)} }

// written adds what one commit wrote.
func (w *wal) written(rows int) {
	if w.rows.Add(int64(rows)) < walRows {
		return
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

// checkpointWAL copies what it can without making anybody wait; and resets the
// WAL if it is too long, or longer than need be in a quiet store.
func (e *sqlite) checkpointWAL(quiet bool) error {
	pages, err := e.checkpoint("PASSIVE")
	if err != nil {
		return err
	}
	if size := pages * walPage; size > walReset || quiet && size > walKeep {
		_, err = e.checkpoint("TRUNCATE")
	}
	return err
}

// checkpoint returns the pages that are in the WAL.
func (e *sqlite) checkpoint(mode string) (pages int64, err error) {
	var busy, copied int64
	row := e.upkeep.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`)
	if err := row.Scan(&busy, &pages, &copied); err != nil {
		return 0, fmt.Errorf("checkpoint %s: %w", mode, e.explain(err))
	}
	return pages, nil
}
