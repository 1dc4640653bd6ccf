package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// RetireJournals removes from the archive of journals what came longer ago than the
// retention says, by this machine's clock: what a journal says of its own time nobody
// has to believe. Each journal goes in this order:
//
//  1. its oldest batches are read, and hashed onto what was removed before
//  2. how far that goes is put on record, with an entry of the log
//  3. the batches go, in small numbers
//
// Whatever stops it, the journal still verifies, from where step 2 put its beginning on.
// A journal is begun with when its oldest batch is a month older than it must be, so that
// the log has an entry a month of each, and not one of each run. Of one that cannot be
// read the batches stay, and the others go; so do those stay that a receiver is to have and
// has not taken: see [DB.KeepFor].
func (d *DB) RetireJournals(ctx context.Context, now time.Time) error {
	if err := d.Relaxed(ctx, func(tx *RelaxedTx) {
		tx.demand(anyRows, nil, `UPDATE journal_batches SET received_at = $1 WHERE received_at IS NULL`, now.UnixMilli())
	}); err != nil {
		return fmt.Errorf("retiring journals: %w", err)
	}
	limit := now.Add(-d.keep.Records)
	due, err := d.dueJournals(ctx, limit.Add(-segmentWaits))
	if err != nil {
		return fmt.Errorf("retiring journals: %w", err)
	}
	var failed error
	for _, origin := range due {
		if err := d.retireJournal(ctx, origin, limit); err != nil {
			failed = errors.Join(failed, fmt.Errorf("retiring the journal %s: %w", origin, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}

// dueJournals returns the journals of which a batch came before limit.
func (d *DB) dueJournals(ctx context.Context, limit time.Time) (all []string, err error) {
	rows, err := d.reads.query(ctx, `
		SELECT DISTINCT b.origin FROM journal_batches b WHERE b.received_at < $1 ORDER BY b.origin`, limit.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var origin string
		if err := rows.Scan(&origin); err != nil {
			return nil, err
		}
		all = append(all, origin)
	}
	return all, rows.Err()
}

func (d *DB) retireJournal(ctx context.Context, origin string, limit time.Time) error {
	j, err := d.JournalOf(ctx, origin)
	if err != nil {
		return err
	}
	if err := d.forgetBatches(ctx, j); err != nil { // what a run before left
		return err
	}
	taken, err := d.takenByAll(ctx, origin)
	if err != nil {
		return err
	}
	after, err := d.retired(ctx, j, limit, taken)
	if err != nil || after.Removed == j.Removed {
		return err
	}
	err = d.Update(ctx, func(tx *Tx) audit.Event {
		tx.demand(1, ErrStale, `UPDATE journals SET removed = $1, removed_frontier = $2 WHERE origin = $3 AND removed = $4`,
			after.Removed, after.RemovedFrontier, origin, j.Removed)
		return audit.Event{Action: "journal.retire", Actor: self, Subject: j.Identity, Outcome: "ok", Detail: map[string]any{
			"origin": origin, "first": j.Removed + 1, "last": after.Removed,
		}}
	})
	if err != nil {
		return err
	}
	return d.forgetBatches(ctx, after)
}

// KeepFor has records of guards stay until all of these have taken them, whom they are
// delivered to under these names. It is for before [DB.Run].
func (d *DB) KeepFor(sinks ...string) { d.keepFor = sinks }

// takenByAll returns up to which entry of a journal nobody waits for anything.
func (d *DB) takenByAll(ctx context.Context, origin string) (int64, error) {
	least := int64(math.MaxInt64)
	for _, sink := range d.keepFor {
		taken, err := d.Delivered(ctx, sink, origin)
		if err != nil {
			return 0, err
		}
		least = min(least, taken)
	}
	return least, nil
}

// retired is step 1: it returns the journal as it is without what came before limit, and not
// beyond the entry taken.
func (d *DB) retired(ctx context.Context, j Journal, limit time.Time, taken int64) (Journal, error) {
	f, err := audit.ParseFrontier(j.Removed, j.RemovedFrontier)
	if err != nil {
		return j, err
	}
	var pace pace
	for {
		began := time.Now()
		var first, last, received int64
		var frames []byte
		err := d.reads.row(ctx, `
			SELECT b.first, b.last, b.received_at, b.frames FROM journal_batches b
			WHERE b.origin = $1 AND b.last > $2 ORDER BY b.last LIMIT 1`, []any{j.Origin, f.Size()}, &first, &last, &received, &frames)
		if isNotFound(err) || err == nil && (received >= limit.UnixMilli() || last > taken) {
			j.Removed, j.RemovedFrontier = f.Size(), f.Bytes()
			return j, nil
		}
		if err != nil {
			return j, err
		}
		if first != f.Size()+1 {
			return j, fmt.Errorf("the entries %d to %d are not there: see betonicad audit verify", f.Size()+1, first-1)
		}
		for r := bytes.NewReader(frames); r.Len() > 0; {
			row, err := audit.ReadFrame(r, f.Size()+1)
			if err != nil {
				return j, fmt.Errorf("entry %d: %w: see betonicad audit verify", f.Size()+1, err)
			}
			f.Append(row.Hash)
		}
		if f.Size() != last {
			return j, fmt.Errorf("the batch up to entry %d holds others: see betonicad audit verify", last)
		}
		if err := pace.rest(ctx, time.Since(began)); err != nil {
			return j, err
		}
	}
}

// forgetBatches is step 3, of all that is on record as removed.
func (d *DB) forgetBatches(ctx context.Context, j Journal) error {
	for pace := (pace{}); ; {
		began := time.Now()
		var n, last, size int64
		err := d.reads.row(ctx, `
			SELECT COUNT(*), COALESCE(MAX(o.last), 0), COALESCE(SUM(o.size), 0) FROM (
				SELECT b.last, LENGTH(b.frames) AS size FROM journal_batches b
				WHERE b.origin = $1 AND b.last <= $2 ORDER BY b.last LIMIT 8) o`, []any{j.Origin, j.Removed}, &n, &last, &size)
		if err != nil || n == 0 {
			return err
		}
		if err := d.Relaxed(ctx, func(tx *RelaxedTx) {
			tx.demand(n, ErrStale, `DELETE FROM journal_batches WHERE origin = $1 AND last <= $2`, j.Origin, last)
			tx.demand(1, ErrStale, `UPDATE archive_size SET bytes = CASE WHEN bytes < $1 THEN 0 ELSE bytes - $1 END WHERE id = 1`, size+n*rowBytes)
		}); err != nil {
			return err
		}
		if err := pace.rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}
