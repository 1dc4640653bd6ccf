package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// An Absence is a time that passed without an entry in the log, up to the start of a
// process. Its end may be in the future, if that process had a wrong clock.
type Absence struct{ From, To time.Time }

// Absences returns those of at least that length, in no order, that ended with an entry of the
// given action, which a process makes when it has started, or with one of the eight before
// that and less than ten minutes older, which it may make while it starts. It looks at so
// many of the newest starts.
func (d *DB) Absences(ctx context.Context, start string, atLeast time.Duration, limit int) ([]Absence, error) {
	rows, err := d.reads.query(ctx, `
		SELECT b.at, c.at FROM (
			SELECT a.seq, a.at FROM audit a WHERE a.action = $1 AND a.action <> 'certificate.issue'
			ORDER BY a.at DESC, a.seq DESC LIMIT $2) starts
		JOIN audit b ON b.seq >= starts.seq - 9 AND b.seq < starts.seq
		JOIN audit c ON c.seq = b.seq + 1
		WHERE c.at - b.at >= $3 AND c.at >= starts.at - 600000`,
		start, limit, atLeast.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("reading when nobody was there: %w", err)
	}
	defer rows.Close()
	var all []Absence
	for rows.Next() {
		var from, to int64
		if err := rows.Scan(&from, &to); err != nil {
			return nil, fmt.Errorf("reading when nobody was there: %w", err)
		}
		if away := (Absence{fromMillis(from), fromMillis(to)}); !slices.Contains(all, away) { // of starts close together
			all = append(all, away)
		}
	}
	return all, rows.Err()
}
