package store

import (
	"context"
	"fmt"
	"time"
)

// A Journal is what was received of a machine's own log, and how far it is.
type Journal struct {
	Origin     string
	Identity   string // path
	Key        string // of its checkpoints
	Statement  []byte
	Size       int64  // entries received
	Frontier   []byte // over them, as [audit.Frontier] writes it
	Checkpoint string // the newest that came; empty: none
	Forked     *time.Time
	Heard      time.Time

	Removed         int64  // entries that have left their retention, from the first on
	RemovedFrontier []byte // over them
}

// A JournalBatch is a stretch of a journal as it was received.
type JournalBatch struct {
	First, Last      int64 // entries, both included
	Earliest, Latest time.Time
	Frames           []byte // see [audit.AppendFrame]
}

// InsertJournal demands that no journal of that origin is on record, and puts one there
// that nothing was received of. It is counted as its machine's use of the archive. The
// error is [ErrExists].
func (t *Tx) InsertJournal(j Journal) {
	t.demand(1, ErrExists, `
		INSERT INTO journals (origin, identity, key, statement, size, frontier, checkpoint, heard_at)
		VALUES ($1, $2, $3, $4, 0, $5, '', $6) ON CONFLICT (origin) DO NOTHING`,
		j.Origin, j.Identity, j.Key, j.Statement, []byte{}, t.millis())
	t.useArchive(j.Identity, 1, rowBytes+int64(len(j.Statement)))
}

// ForkJournal demands that the journal has not shown another history before, and notes
// that it does now. The error is [ErrExists].
func (t *Tx) ForkJournal(origin string) {
	t.demand(1, ErrExists, `UPDATE journals SET forked_at = $1 WHERE origin = $2 AND forked_at IS NULL`, t.millis(), origin)
}

// ExtendJournal demands that the journal is as long as before says, and puts a batch
// behind it, with its keys; after has the new size, frontier and checkpoint. It is counted
// as its machine's use of the archive. Of two who bring the same entries one succeeds; the
// error is [ErrStale].
//
// It is for [DB.Durable]: the machine removes what it was told to be here.
func (t *RelaxedTx) ExtendJournal(before int64, after Journal, b JournalBatch, keys []JournalKey) {
	t.demand(1, ErrStale, `
		UPDATE journals SET size = $1, frontier = $2, checkpoint = $3, heard_at = $4
		WHERE origin = $5 AND size = $6 AND forked_at IS NULL`,
		after.Size, after.Frontier, after.Checkpoint, t.millis(), after.Origin, before)
	t.demand(1, ErrStale, `
		INSERT INTO journal_batches (origin, last, first, earliest, latest, received_at, frames) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		after.Origin, b.Last, b.First, b.Earliest.UnixMilli(), b.Latest.UnixMilli(), t.millis(), b.Frames)
	taken := rowBytes + int64(len(b.Frames))
	for _, k := range keys {
		t.keepJournalKey(after.Origin, k)
		taken += rowBytes + int64(len(k.Wrapped))
	}
	t.tx.useArchive(after.Identity, 0, taken)
}

const journalColumns = `origin, identity, key, statement, size, frontier, checkpoint, forked_at, heard_at, removed, removed_frontier`

// JournalOf returns the journal of that origin, or [ErrNotFound].
func (d *DB) JournalOf(ctx context.Context, origin string) (Journal, error) {
	var j Journal
	var forked *int64
	var heard int64
	err := d.reads.row(ctx, `SELECT `+journalColumns+` FROM journals WHERE origin = $1`, []any{origin},
		&j.Origin, &j.Identity, &j.Key, &j.Statement, &j.Size, &j.Frontier, &j.Checkpoint, &forked, &heard, &j.Removed, &j.RemovedFrontier)
	if err != nil {
		return Journal{}, fmt.Errorf("reading a journal's state: %w", err)
	}
	j.dated(forked, heard)
	return j, nil
}

func (j *Journal) dated(forked *int64, heard int64) {
	j.Heard = fromMillis(heard)
	if forked != nil {
		at := fromMillis(*forked)
		j.Forked = &at
	}
}

// Journals returns up to limit journals whose origin comes after one, in order; with an
// identity only those of that machine.
func (d *DB) Journals(ctx context.Context, identity, after string, limit int) ([]Journal, error) {
	query, args := `SELECT `+journalColumns+` FROM journals WHERE origin > $1 ORDER BY origin LIMIT $2`, []any{after, limit}
	if identity != "" {
		query = `SELECT ` + journalColumns + ` FROM journals WHERE identity = $1 AND origin > $2 ORDER BY origin LIMIT $3`
		args = []any{identity, after, limit}
	}
	rows, err := d.reads.query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading journals: %w", err)
	}
	defer rows.Close()
	var all []Journal
	for rows.Next() {
		var j Journal
		var forked *int64
		var heard int64
		if err := rows.Scan(&j.Origin, &j.Identity, &j.Key, &j.Statement, &j.Size, &j.Frontier, &j.Checkpoint, &forked, &heard, &j.Removed, &j.RemovedFrontier); err != nil {
			return nil, fmt.Errorf("reading journals: %w", err)
		}
		j.dated(forked, heard)
		all = append(all, j)
	}
	return all, rows.Err()
}

// NextJournalBatch returns the first batch of a journal that ends after an entry and at
// or after a time, or [ErrNotFound].
func (d *DB) NextJournalBatch(ctx context.Context, origin string, after int64, since time.Time) (JournalBatch, error) {
	var b JournalBatch
	var earliest, latest int64
	err := d.reads.row(ctx, `
		SELECT first, last, earliest, latest, frames FROM journal_batches
		WHERE origin = $1 AND last > $2 AND latest >= $3 ORDER BY last LIMIT 1`,
		[]any{origin, after, sinceMillis(since)}, &b.First, &b.Last, &earliest, &latest, &b.Frames)
	if err != nil {
		return b, fmt.Errorf("reading a journal's entries: %w", err)
	}
	b.Earliest, b.Latest = fromMillis(earliest), fromMillis(latest)
	return b, nil
}

// sinceMillis is a time as rows have it; none is before all.
func sinceMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Journals is [DB.Journals].
func (l *Log) Journals(ctx context.Context, identity, after string, limit int) ([]Journal, error) {
	return l.db.Journals(ctx, identity, after, limit)
}

// NextJournalBatch is [DB.NextJournalBatch].
func (l *Log) NextJournalBatch(ctx context.Context, origin string, after int64, since time.Time) (JournalBatch, error) {
	return l.db.NextJournalBatch(ctx, origin, after, since)
}
