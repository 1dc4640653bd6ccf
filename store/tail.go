package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/betonica/betonica/store/audit"
)

// A Tail reads the log in its order, as far as it goes, and later on: from the archive
// what lies there, and the rest from the database. It is for one goroutine, and to be
// closed.
type Tail struct {
	db      *DB
	archive *AuditSource // nil: nothing is read there
}

// tailBytes is about how much a Tail reads at a time.
const tailBytes = 1 << 20

// Tail returns a Tail of the log.
func (d *DB) Tail() *Tail { return &Tail{db: d} }

// LogEnd returns the number of the newest entry that any process has committed.
func (d *DB) LogEnd(ctx context.Context) (int64, error) {
	if !d.engine.shared() {
		return d.LogSize(), nil
	}
	var last int64
	if err := d.reads.row(ctx, `SELECT COALESCE(MAX(a.seq), 0) FROM audit a`, nil, &last); err != nil {
		return 0, fmt.Errorf("reading the log's size: %w", err)
	}
	return last, nil
}

// Entries returns up to limit entries after one, opened, of about a megabyte at most;
// none if there are none so far. An entry whose data key was destroyed has what is in
// clear, and one that somebody changed an outcome that says so. A file of the archive that
// cannot be read is an error: nothing is passed over.
func (t *Tail) Entries(ctx context.Context, after int64, limit int) ([]audit.Entry, error) {
	rows, err := t.rows(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the log after entry %d: %w", after, err)
	}
	var entries []audit.Entry
	reread := false
	for _, r := range rows {
		e, err := t.db.log.open(r.Leaf, false)
		if errors.Is(err, audit.ErrNoKey) && !reread { // of a key that another process made
			reread = true
			if _, err := t.db.Keyring(ctx); err != nil {
				return nil, err
			}
			e, err = t.db.log.open(r.Leaf, false)
		}
		if err != nil && !errors.Is(err, audit.ErrNoKey) {
			e = audit.Entry{Event: audit.Event{Outcome: "unreadable: " + err.Error()}}
		}
		e.Seq, e.At, e.Action, e.Hash = r.Seq, r.At, r.Action, r.Hash
		entries = append(entries, e)
	}
	return entries, nil
}

func (t *Tail) rows(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	if t.archive == nil || after >= t.archive.Archived() {
		t.Close()
		rows, err := t.table(ctx, after, limit)
		if err != nil || len(rows) > 0 && rows[0].Seq == after+1 {
			return rows, err
		}
		source, err := t.db.AuditSource(ctx)
		if err != nil || source.Archived() <= after {
			return rows, err
		}
		t.archive = source
	}
	rows, err := t.archive.Records(ctx, after, min(limit, tailBytes/audit.MaxLeaf))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if r.Seq != after+1 {
			if err := t.archive.Readable(after+1, r.Seq-1); err != nil {
				t.Close() // it may be mended
				return nil, err
			}
		}
		after = r.Seq
	}
	return rows, nil
}

// table returns rows of the database.
func (t *Tail) table(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	rows, err := t.db.reads.query(ctx, `
		SELECT a.seq, a.at, a.action, a.leaf, a.hash FROM audit a WHERE a.seq > $1 ORDER BY a.seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []audit.Record
	for size := 0; size < tailBytes && rows.Next(); {
		var r audit.Record
		var at int64
		var hash []byte
		if err := rows.Scan(&r.Seq, &at, &r.Action, &r.Leaf, &hash); err != nil {
			return nil, err
		}
		copy(r.Hash[:], hash)
		r.At = fromMillis(at)
		all, size = append(all, r), size+len(r.Leaf)
	}
	return all, rows.Err()
}

// Close closes the file that is open.
func (t *Tail) Close() {
	if t.archive != nil {
		t.archive.Close()
		t.archive = nil
	}
}
