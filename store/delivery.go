package store

import (
	"context"
	"fmt"
	"time"
)

// A Delivery is what is known of a system of somebody else's that entries are delivered
// to, under the name that the configuration gives it.
type Delivery struct {
	Sink    string
	Begun   time.Time
	Told    time.Time // when it took something last; zero: never
	Failing time.Time // since when it takes nothing; zero: it does
	Trouble string    // why; empty: there is none
}

// OwnLog is what stands for the log of the CA itself where a journal's origin would.
const OwnLog = ""

// BeginDelivery demands that nothing is on record of a sink, and begins with all that is
// there, or with what comes from now on. The error is [ErrExists].
func (t *Tx) BeginDelivery(sink string, all bool) {
	t.demand(1, ErrExists, `
		INSERT INTO sinks (name, begun_at, told_at, failing_at, trouble) VALUES ($1, $2, 0, 0, '')
		ON CONFLICT (name) DO NOTHING`, sink, t.millis())
	if all {
		return
	}
	t.demand(1, ErrExists, `
		INSERT INTO deliveries (sink, log, seq, moved_at)
		SELECT $1, '', (SELECT COALESCE(MAX(a.seq), 0) FROM audit a), $2`, sink, t.millis())
	t.demand(anyRows, nil, `
		INSERT INTO deliveries (sink, log, seq, moved_at)
		SELECT $1, j.origin, j.size, $2 FROM journals j`, sink, t.millis())
}

// MoveDelivery demands that a sink has taken the entries of a log up to one, and nothing
// more, and notes that it has up to another. So of two who deliver at once one moves it,
// and nobody moves it back. The error is [ErrStale].
//
// On its own it is for [DB.Relaxed]: what a crash loses of it is delivered once more.
func (t *RelaxedTx) MoveDelivery(sink, log string, from, to int64) {
	t.tx.moveDelivery(sink, log, from, to)
}

// PassDelivery is MoveDelivery over what the sink will never take.
func (t *Tx) PassDelivery(sink, log string, from, to int64) { t.moveDelivery(sink, log, from, to) }

func (t *Tx) moveDelivery(sink, log string, from, to int64) {
	t.demand(1, ErrStale, `
		INSERT INTO deliveries (sink, log, seq, moved_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (sink, log) DO UPDATE SET seq = excluded.seq, moved_at = excluded.moved_at
		WHERE deliveries.seq = $5 AND deliveries.seq < excluded.seq`,
		sink, log, to, t.millis(), from)
}

// ToldDelivery notes that a sink took something just now.
func (t *RelaxedTx) ToldDelivery(sink string) {
	t.demand(1, ErrNotFound, `UPDATE sinks SET told_at = $1, failing_at = 0, trouble = '' WHERE name = $2`, t.millis(), sink)
}

// FailDelivery notes that a sink takes nothing, and why; since when is kept. An empty text
// ends it.
func (t *RelaxedTx) FailDelivery(sink, trouble string) {
	t.demand(1, ErrNotFound, `
		UPDATE sinks SET failing_at = CASE WHEN $1 = '' THEN 0 WHEN failing_at = 0 THEN $2 ELSE failing_at END, trouble = $1 WHERE name = $3`,
		trouble, t.millis(), sink)
}

// Deliveries returns what is on record of each sink that ever was, by name.
func (d *DB) Deliveries(ctx context.Context) ([]Delivery, error) {
	rows, err := d.reads.query(ctx, `SELECT s.name, s.begun_at, s.told_at, s.failing_at, s.trouble FROM sinks s ORDER BY s.name`)
	if err != nil {
		return nil, fmt.Errorf("reading sinks: %w", err)
	}
	defer rows.Close()
	var all []Delivery
	for rows.Next() {
		var one Delivery
		var begun, told, failing int64
		if err := rows.Scan(&one.Sink, &begun, &told, &failing, &one.Trouble); err != nil {
			return nil, fmt.Errorf("reading sinks: %w", err)
		}
		one.Begun, one.Told, one.Failing = fromMillis(begun), orNever(told), orNever(failing)
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading sinks: %w", err)
	}
	return all, nil
}

func orNever(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return fromMillis(ms)
}

// Delivered returns up to which entry a sink has taken a log; 0: nothing.
func (d *DB) Delivered(ctx context.Context, sink, log string) (int64, error) {
	var seq int64
	err := d.reads.row(ctx, `SELECT s.seq FROM deliveries s WHERE s.sink = $1 AND s.log = $2`, []any{sink, log}, &seq)
	if err != nil && !isNotFound(err) {
		return 0, fmt.Errorf("reading how far %s is: %w", sink, err)
	}
	return seq, nil
}

// A WaitingJournal is a journal of which a sink has not taken all.
type WaitingJournal struct {
	Origin, Identity string
	Taken, Size      int64 // entries
}

// WaitingJournals returns up to limit journals with something that a sink has not taken,
// and whose origin comes after one, in order. It reads a row of each journal.
func (d *DB) WaitingJournals(ctx context.Context, sink, after string, limit int) ([]WaitingJournal, error) {
	rows, err := d.reads.query(ctx, `
		SELECT j.origin, j.identity, COALESCE(s.seq, 0), j.size FROM journals j
		LEFT JOIN deliveries s ON s.sink = $1 AND s.log = j.origin
		WHERE j.origin > $2 AND j.size > COALESCE(s.seq, 0) AND j.size > j.removed ORDER BY j.origin LIMIT $3`, sink, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading what waits for %s: %w", sink, err)
	}
	defer rows.Close()
	var all []WaitingJournal
	for rows.Next() {
		var w WaitingJournal
		if err := rows.Scan(&w.Origin, &w.Identity, &w.Taken, &w.Size); err != nil {
			return nil, fmt.Errorf("reading what waits for %s: %w", sink, err)
		}
		all = append(all, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading what waits for %s: %w", sink, err)
	}
	return all, nil
}

// A Backlog is what a sink has not taken.
type Backlog struct {
	Entries int64
	Oldest  time.Time // when the oldest of them was recorded here; zero: there is none
}

// Backlog returns what a sink has not taken of the CA's log and, with journals, of those
// that guards ship; those count from when they came. It reads a row of each journal.
func (d *DB) Backlog(ctx context.Context, sink string, journals bool) (Backlog, error) {
	var b Backlog
	taken, err := d.Delivered(ctx, sink, OwnLog)
	if err != nil {
		return b, err
	}
	var last, oldest, more, came int64
	if err = d.reads.row(ctx, `
		SELECT COALESCE(MAX(a.seq), 0), COALESCE((SELECT n.at FROM audit n WHERE n.seq > $1 ORDER BY n.seq LIMIT 1), 0) FROM audit a`,
		[]any{taken}, &last, &oldest); err != nil {
		return b, fmt.Errorf("reading what waits for %s: %w", sink, err)
	}
	b.Entries, b.Oldest = max(last-taken, 0), orNever(oldest)
	if !journals {
		return b, nil
	}
	if err := d.reads.row(ctx, `
		SELECT COALESCE(SUM(w.n), 0), COALESCE(MIN(w.came), 0) FROM (
			SELECT j.size - CASE WHEN COALESCE(s.seq, 0) < j.removed THEN j.removed ELSE COALESCE(s.seq, 0) END AS n, (
				SELECT b.received_at FROM journal_batches b WHERE b.origin = j.origin AND b.last > COALESCE(s.seq, 0) ORDER BY b.last LIMIT 1) AS came
			FROM journals j LEFT JOIN deliveries s ON s.sink = $1 AND s.log = j.origin
			WHERE j.size > COALESCE(s.seq, 0) AND j.size > j.removed) w`, []any{sink}, &more, &came); err != nil {
		return b, fmt.Errorf("reading what waits for %s: %w", sink, err)
	}
	b.Entries += more
	if at := orNever(came); !at.IsZero() && (b.Oldest.IsZero() || at.Before(b.Oldest)) {
		b.Oldest = at
	}
	return b, nil
}

// Deliveries is [DB.Deliveries].
func (i *Inspection) Deliveries(ctx context.Context) ([]Delivery, error) { return i.db.Deliveries(ctx) }

// Backlog is [DB.Backlog].
func (i *Inspection) Backlog(ctx context.Context, sink string, journals bool) (Backlog, error) {
	return i.db.Backlog(ctx, sink, journals)
}
