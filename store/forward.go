package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// EntriesAfter returns up to limit entries of the log behind a number, opened, in their
// order: for who follows the log. None are there, or were archived, if it returns none;
// LogArchived says which.
//
// An entry whose data key was destroyed has only what is in clear of it. So has one that
// does not open because somebody changed it, and its outcome says so.
func (d *DB) EntriesAfter(ctx context.Context, seq int64, limit int) ([]audit.Entry, error) {
	rows, err := d.reads.query(ctx, `SELECT a.seq, a.at, a.action, a.leaf FROM audit a WHERE a.seq > $1 ORDER BY a.seq LIMIT $2`, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("following the log: %w", err)
	}
	defer rows.Close()
	var all []audit.Entry
	ring, renewed := d.log.keyring.Load(), false
	for rows.Next() {
		var e audit.Entry
		var at int64
		var leaf []byte
		if err := rows.Scan(&e.Seq, &at, &e.Action, &leaf); err != nil {
			return nil, fmt.Errorf("following the log: %w", err)
		}
		e.At = fromMillis(at)
		opened, err := ring.Open(leaf)
		if errors.Is(err, audit.ErrNoKey) && !renewed { // another process may have made one
			renewed = true
			if ring, err = d.Keyring(ctx); err != nil {
				return nil, err
			}
			opened, err = ring.Open(leaf)
		}
		switch {
		case err == nil && (opened.Seq != e.Seq || opened.Action != e.Action):
			e.Outcome = "unreadable: it stands in the place of another"
		case err == nil, errors.Is(err, audit.ErrNoKey):
			e = opened
		default:
			e.Outcome = "unreadable: " + err.Error()
		}
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("following the log: %w", err)
	}
	return all, nil
}

// A JournalHead is how far a journal has come.
type JournalHead struct {
	Origin string
	Size   int64
}

// JournalHeads returns how far the journals have come of which something was received at
// or after a time, in the order of their origins. It reads a row for each journal there is.
func (d *DB) JournalHeads(ctx context.Context, since time.Time) ([]JournalHead, error) {
	rows, err := d.reads.query(ctx, `SELECT j.origin, j.size FROM journals j WHERE j.origin > '' AND j.heard_at >= $1 ORDER BY j.origin`, sinceMillis(since))
	if err != nil {
		return nil, fmt.Errorf("reading how far journals are: %w", err)
	}
	defer rows.Close()
	var all []JournalHead
	for rows.Next() {
		var h JournalHead
		if err := rows.Scan(&h.Origin, &h.Size); err != nil {
			return nil, fmt.Errorf("reading how far journals are: %w", err)
		}
		all = append(all, h)
	}
	return all, rows.Err()
}
