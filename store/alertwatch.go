package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// A Watch is where the watch over the log stands, as it is on record.
type Watch struct {
	Epoch  int64  // who watches: each who takes it over has the next
	Holder string // and how he is called

	LastID    int64            // of alerts
	At        time.Time        // the engine's time at the last step on record
	Positions map[string]int64 // by origin: the entries up to this one are done; "" is the CA's own log
	Snapshot  int64            // number of the good one; 0: none
	parts     int
}

// An AlertStep is what entries have led to: all of it goes on record, or nothing.
type AlertStep struct {
	Epoch int64
	At    time.Time

	Positions map[string]int64 // those that move
	Changes   []AlertChange    // in order; some dozens
	Actions   []AlertAction    // to be done
	Events    []audit.Event    // one for each change
}

// An AlertChange is what an alert becomes.
type AlertChange struct {
	Alert
	Opens, Resolves bool
}

// An AlertAction is what policy says is to be done about an alert, and is not done.
type AlertAction struct {
	Alert   int64
	Action  string
	Subject string
	Since   time.Time
}

// TakeWatch makes the caller the one who watches: whatever others record from now on that
// had it before is [ErrStale].
func (d *DB) TakeWatch(ctx context.Context, holder string) (w Watch, err error) {
	err = d.quiet(ctx, func(ctx context.Context, tx *AloneTx) error {
		if tx.demand(1, ErrNotFound, `UPDATE alert_watch SET epoch = epoch + 1, holder = $1 WHERE one = 1`, holder); tx.err != nil {
			return tx.err
		}
		w, err = scanWatch(tx.row, ctx)
		return err
	})
	if err != nil {
		return Watch{}, fmt.Errorf("taking the watch: %w", err)
	}
	w.Positions = map[string]int64{}
	rows, err := d.reads.query(ctx, `SELECT s.origin, s.seq FROM alert_positions s WHERE s.origin >= '' ORDER BY s.origin`)
	if err != nil {
		return Watch{}, fmt.Errorf("reading how far the watch is: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var origin string
		var seq int64
		if err := rows.Scan(&origin, &seq); err != nil {
			return Watch{}, fmt.Errorf("reading how far the watch is: %w", err)
		}
		w.Positions[origin] = seq
	}
	return w, rows.Err()
}

func scanWatch(row rowReader, ctx context.Context) (w Watch, err error) {
	var at int64
	err = row(ctx, `SELECT epoch, holder, last_id, at, snapshot, parts FROM alert_watch WHERE one = 1`, nil,
		&w.Epoch, &w.Holder, &w.LastID, &at, &w.Snapshot, &w.parts)
	if at > 0 {
		w.At = fromMillis(at)
	}
	return w, err
}

// Watched returns where the watch stands, without its positions, for whoever does not take it.
func (d *DB) Watched(ctx context.Context) (Watch, error) {
	w, err := scanWatch(d.reads.row, ctx)
	if err != nil {
		return Watch{}, fmt.Errorf("reading where the watch stands: %w", err)
	}
	return w, nil
}

// NoteWatch puts on record how far the watch has come without a change: until when, and the
// logs that it has read on. It is consistent, and not durable. The error is [ErrStale] if
// somebody else has the watch.
func (d *DB) NoteWatch(ctx context.Context, epoch int64, at time.Time, positions map[string]int64) error {
	return d.Relaxed(ctx, func(tx *RelaxedTx) {
		tx.demand(1, ErrStale, `UPDATE alert_watch SET at = $1 WHERE one = 1 AND epoch = $2`, at.UnixMilli(), epoch)
		tx.tx.reached(positions)
	})
}

// reached notes how far logs were read.
func (t *Tx) reached(positions map[string]int64) {
	for origin, seq := range positions {
		t.demand(1, ErrStale, `
			INSERT INTO alert_positions (origin, seq) VALUES ($1, $2) ON CONFLICT (origin) DO UPDATE SET seq = excluded.seq`, origin, seq)
	}
}

// RecordAlerts puts a step on record, with its events. The error is [ErrStale] if somebody
// else has the watch, or if an alert is not as the caller thinks; whatever the error, the
// caller begins again from what is on record.
func (d *DB) RecordAlerts(ctx context.Context, s AlertStep) error {
	if err := d.Stopped(); err != nil {
		return err
	}
	tx := Tx{now: d.cfg.Now()}
	last := int64(0)
	for _, c := range s.Changes {
		if c.Opens {
			last = max(last, c.ID)
		}
	}
	tx.demand(1, ErrStale, `
		UPDATE alert_watch SET last_id = CASE WHEN last_id < $1 THEN $1 ELSE last_id END, at = $2 WHERE one = 1 AND epoch = $3`,
		last, s.At.UnixMilli(), s.Epoch)
	tx.reached(s.Positions)
	for _, c := range s.Changes {
		tx.changeAlert(d, c)
	}
	for _, a := range s.Actions {
		tx.demand(anyRows, nil, `
			INSERT INTO alert_actions (alert, action, subject, since) VALUES ($1, $2, $3, $4) ON CONFLICT (alert, action, subject) DO NOTHING`,
			a.Alert, a.Action, a.Subject, tx.millis())
	}
	return d.write(ctx, &call{demands: tx.demands, events: s.Events})
}

func (t *Tx) changeAlert(d *DB, c AlertChange) {
	sealed := d.cfg.Keys.SealAside(alertName(c.ID), c.Body)
	switch {
	case c.Opens:
		t.demand(1, ErrStale, `
			INSERT INTO alerts (id, key, severity, state, opened_at, resolved_at, acknowledged_at, acknowledged_by, word, body)
			VALUES ($1, $2, $3, 'open', $4, 0, 0, '', '', $5) ON CONFLICT DO NOTHING`,
			c.ID, d.alertKey(c.Alert), c.Severity, c.Opened.UnixMilli(), sealed)
	case c.Resolves:
		t.demand(1, ErrStale, `UPDATE alerts SET state = 'resolved', resolved_at = $1, severity = $2, body = $3 WHERE id = $4 AND resolved_at = 0`,
			t.millis(), c.Severity, sealed, c.ID)
		t.demand(anyRows, nil, `DELETE FROM alert_actions WHERE alert = $1`, c.ID)
	default:
		t.demand(1, ErrStale, `UPDATE alerts SET severity = $1, body = $2 WHERE id = $3 AND resolved_at = 0`, c.Severity, sealed, c.ID)
	}
}

// AlertActions returns what is to be done about alerts: the first of it.
func (d *DB) AlertActions(ctx context.Context, limit int) ([]AlertAction, error) {
	rows, err := d.reads.query(ctx, `SELECT x.alert, x.action, x.subject, x.since FROM alert_actions x WHERE x.alert > 0 ORDER BY x.alert, x.action, x.subject LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be done about alerts: %w", err)
	}
	defer rows.Close()
	var all []AlertAction
	for rows.Next() {
		var a AlertAction
		var since int64
		if err := rows.Scan(&a.Alert, &a.Action, &a.Subject, &since); err != nil {
			return nil, fmt.Errorf("reading what is to be done about alerts: %w", err)
		}
		a.Since = fromMillis(since)
		all = append(all, a)
	}
	return all, rows.Err()
}

// FinishAlertAction notes that an action was done, or that there is nothing to do any more.
func (d *DB) FinishAlertAction(ctx context.Context, a AlertAction) error {
	return d.Durable(ctx, func(tx *RelaxedTx) {
		tx.demand(anyRows, nil, `DELETE FROM alert_actions WHERE alert = $1 AND action = $2 AND subject = $3`, a.Alert, a.Action, a.Subject)
	})
}

// Bounds of a snapshot.
const (
	snapshotPart = 256 << 10 // bytes of one row
	maxSnapshot  = 160 << 20
)

// SaveSnapshot keeps what the engine of the watch knows, once all of it is there: a part at
// a time, so that nobody waits for it, and in the rows of the last but one. (Rows that came
// and went would leave free pages all over an SQLite file, and whatever is written next
// change these instead of a few at its end.) A crash may lose it, and leaves the one before
// then. The error is [ErrStale] if somebody else has the watch.
func (d *DB) SaveSnapshot(ctx context.Context, epoch int64, b []byte) error {
	if len(b) > maxSnapshot {
		return fmt.Errorf("the snapshot of the watch has %d bytes, and may have %d", len(b), maxSnapshot)
	}
	w, err := scanWatch(d.reads.row, ctx)
	if err != nil {
		return fmt.Errorf("reading where the watch stands: %w", err)
	}
	next := max(w.Snapshot, 0) + 1
	spare := w.Snapshot - 1
	if err := d.forgetParts(ctx, epoch, spare, math.MaxInt32); err != nil { // what a crash has left
		return err
	}
	parts := 0
	for from := 0; from < len(b); from += snapshotPart {
		part := d.cfg.Keys.SealAside(partName(next, parts), b[from:min(from+snapshotPart, len(b))])
		err := d.Relaxed(ctx, func(tx *RelaxedTx) {
			tx.watching(epoch)
			tx.demand(anyRows, nil, `UPDATE alert_snapshots SET snapshot = $1, body = $2 WHERE snapshot IN ($3, $1) AND part = $4`, next, part, spare, parts)
			tx.demand(anyRows, nil, `INSERT INTO alert_snapshots (snapshot, part, body) VALUES ($1, $2, $3) ON CONFLICT (snapshot, part) DO NOTHING`, next, parts, part)
		})
		if err != nil {
			return fmt.Errorf("saving the snapshot of the watch: %w", err)
		}
		parts++
	}
	err = d.Relaxed(ctx, func(tx *RelaxedTx) {
		tx.demand(anyRows, nil, `DELETE FROM alert_snapshots WHERE snapshot = $1 AND part >= $2`, next, parts) // likewise
		tx.demand(1, ErrStale, `UPDATE alert_watch SET snapshot = $1, parts = $2 WHERE one = 1 AND epoch = $3`, next, parts, epoch)
	})
	if err != nil {
		return fmt.Errorf("saving the snapshot of the watch: %w", err)
	}
	return d.forgetParts(ctx, epoch, w.Snapshot, parts)
}

// watching demands that nobody else has taken the watch.
func (t *RelaxedTx) watching(epoch int64) {
	t.demand(1, ErrStale, `UPDATE alert_watch SET holder = holder WHERE one = 1 AND epoch = $1`, epoch)
}

// forgetParts removes, some at a time, the parts from a number on of a snapshot that is
// kept to be written over, and of all that are older.
func (d *DB) forgetParts(ctx context.Context, epoch, spare int64, from int) error {
	for {
		var snapshot, part int64
		const first = `SELECT s.snapshot, s.part FROM alert_snapshots s WHERE `
		err := d.reads.row(ctx, first+`s.snapshot < $1 ORDER BY s.snapshot, s.part LIMIT 1`, []any{spare}, &snapshot, &part)
		if errors.Is(err, ErrNotFound) {
			err = d.reads.row(ctx, first+`s.snapshot = $1 AND s.part >= $2 ORDER BY s.part LIMIT 1`, []any{spare, from}, &snapshot, &part)
		}
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			err = d.Relaxed(ctx, func(tx *RelaxedTx) {
				tx.watching(epoch)
				tx.demand(anyRows, nil, `DELETE FROM alert_snapshots WHERE snapshot = $1 AND part >= $2 AND part < $3`, snapshot, part, part+16)
			})
		}
		if err != nil {
			return fmt.Errorf("removing snapshots of the watch: %w", err)
		}
	}
}

// Snapshot returns what SaveSnapshot kept last, or [ErrNotFound].
func (d *DB) Snapshot(ctx context.Context, w Watch) ([]byte, error) {
	if w.Snapshot == 0 {
		return nil, fmt.Errorf("the snapshot of the watch: %w", ErrNotFound)
	}
	rows, err := d.reads.query(ctx, `SELECT s.part, s.body FROM alert_snapshots s WHERE s.snapshot = $1 ORDER BY s.part`, w.Snapshot)
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot of the watch: %w", err)
	}
	defer rows.Close()
	b, parts := make([]byte, 0, w.parts*snapshotPart), 0
	for rows.Next() {
		var part int
		var sealed sql.RawBytes
		if err := rows.Scan(&part, &sealed); err != nil {
			return nil, fmt.Errorf("reading the snapshot of the watch: %w", err)
		}
		text, err := d.cfg.Keys.OpenAside(partName(w.Snapshot, part), sealed)
		if err != nil {
			return nil, err
		}
		b, parts = append(b, text...), parts+1
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the snapshot of the watch: %w", err)
	}
	if parts != w.parts {
		return nil, fmt.Errorf("the snapshot of the watch has %d parts of %d", parts, w.parts)
	}
	return b, nil
}

// partName is as what a part of a snapshot is sealed.
func partName(snapshot int64, part int) string {
	return fmt.Sprintf("watch %d, part %d", snapshot, part)
}
