package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// An Alert is one of the watch over the log: what has to be found by the database, and the
// rest as whoever watches writes it.
type Alert struct {
	ID       int64
	Rule     string
	Key      string // with Rule it says whether two findings are one alert
	Severity int    // greater is worse
	State    AlertState

	Opened       time.Time
	Resolved     *time.Time // nil: not yet
	Acknowledged *time.Time // nil: nobody has
	By, Word     string     // who acknowledged it, and what he said

	// Body is all there is to say, in the watch's own form. It is sealed by the log's key
	// where it lies: it is as secret as the entries that it was made of.
	Body []byte
}

// An AlertState is what became of an alert.
type AlertState string

// The states of an alert.
const (
	AlertOpen         AlertState = "open"
	AlertAcknowledged AlertState = "acknowledged" // a person has seen it, and said a word
	AlertResolved     AlertState = "resolved"
)

// AcknowledgeAlert demands that the alert is not resolved, and notes who has seen it, and
// his word, in the place of an earlier one. The error is [ErrStale].
func (t *Tx) AcknowledgeAlert(id int64, by, word string) {
	t.demand(1, ErrStale, `
		UPDATE alerts SET state = 'acknowledged', acknowledged_at = $1, acknowledged_by = $2, word = $3
		WHERE id = $4 AND resolved_at = 0`, t.millis(), by, word, id)
}

const alertColumns = `w.id, w.severity, w.state, w.opened_at, w.resolved_at, w.acknowledged_at, w.acknowledged_by, w.word, w.body`

// Alert returns the alert with this id, or [ErrNotFound]. Its Rule and Key are in the body
// alone.
func (d *DB) Alert(ctx context.Context, id int64) (Alert, error) {
	var r alertRow
	if err := d.reads.row(ctx, `SELECT `+alertColumns+` FROM alerts w WHERE w.id = $1`, []any{id}, r.dest()...); err != nil {
		return Alert{}, fmt.Errorf("reading alert %d: %w", id, err)
	}
	return d.alert(r)
}

// Alerts lists alerts, the newest first; with open only those that are not resolved. Rule
// and Key are in the bodies alone.
func (d *DB) Alerts(ctx context.Context, open bool, p Page) ([]Alert, string, error) {
	before := int64(1 << 62)
	switch after, err := p.key(8); {
	case err != nil:
		return nil, "", err
	case after != nil:
		before = int64(binary.BigEndian.Uint64(after))
	}
	query := `SELECT ` + alertColumns + ` FROM alerts w WHERE w.id < $1 ORDER BY w.id DESC LIMIT $2`
	if open {
		query = `SELECT ` + alertColumns + ` FROM alerts w WHERE w.id < $1 AND w.resolved_at = 0 ORDER BY w.id DESC LIMIT $2`
	}
	rows, err := d.reads.query(ctx, query, before, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing alerts: %w", err)
	}
	defer rows.Close()
	var all []Alert
	for rows.Next() {
		var r alertRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, "", fmt.Errorf("listing alerts: %w", err)
		}
		a, err := d.alert(r)
		if err != nil {
			return nil, "", err
		}
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("listing alerts: %w", err)
	}
	all, next := cut(all, p.limit(), func(a Alert) []byte { return numbered(a.ID, nil) })
	return all, next, nil
}

// AlertCounts returns how many alerts are not resolved, by severity. It reads an index
// entry for each.
func (d *DB) AlertCounts(ctx context.Context) (map[int]int64, error) {
	rows, err := d.reads.query(ctx, `SELECT w.severity, COUNT(*) FROM alerts w WHERE w.severity > 0 AND w.resolved_at = 0 GROUP BY w.severity`)
	if err != nil {
		return nil, fmt.Errorf("counting alerts: %w", err)
	}
	defer rows.Close()
	counts := map[int]int64{}
	for rows.Next() {
		var severity int
		var n int64
		if err := rows.Scan(&severity, &n); err != nil {
			return nil, fmt.Errorf("counting alerts: %w", err)
		}
		counts[severity] = n
	}
	return counts, rows.Err()
}

// PruneAlerts removes up to limit alerts that were resolved before a time, those first that
// were first, and returns how many. What became of them is in the log.
func (d *DB) PruneAlerts(ctx context.Context, before time.Time, limit int) error {
	return d.Relaxed(ctx, func(tx *RelaxedTx) {
		tx.demand(anyRows, nil, `
			DELETE FROM alerts WHERE id IN (
				SELECT w.id FROM alerts w WHERE w.resolved_at > 0 AND w.resolved_at < $1 ORDER BY w.resolved_at, w.id LIMIT $2)`,
			before.UnixMilli(), limit)
	})
}

// An alertRow is an alert as the database has it.
type alertRow struct {
	Alert
	opened, resolved, acknowledged int64
	sealed                         []byte
}

// dest returns where alertColumns are scanned to.
func (r *alertRow) dest() []any {
	return []any{&r.ID, &r.Severity, (*string)(&r.State), &r.opened, &r.resolved, &r.acknowledged, &r.By, &r.Word, &r.sealed}
}

func (d *DB) alert(r alertRow) (Alert, error) {
	a := r.Alert
	a.Opened = fromMillis(r.opened)
	for _, t := range []struct {
		ms int64
		to **time.Time
	}{{r.resolved, &a.Resolved}, {r.acknowledged, &a.Acknowledged}} {
		if t.ms > 0 {
			at := fromMillis(t.ms)
			*t.to = &at
		}
	}
	var err error
	a.Body, err = d.cfg.Keys.OpenAside(alertName(a.ID), r.sealed)
	return a, err
}

// alertName is as what the body of an alert is sealed.
func alertName(id int64) string { return fmt.Sprintf("alert %d", id) }

// alertKey tells alerts apart, and nothing of them.
func (d *DB) alertKey(a Alert) []byte {
	sum := sha256.Sum256([]byte(a.Rule + "\x00" + a.Key))
	term := d.cfg.Keys.Term("alert", string(sum[:]))
	return term[:]
}
