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
// many of the newest starts, and at each entry by its number: of a join, PostgreSQL makes a
// walk over the log.
func (d *DB) Absences(ctx context.Context, start string, atLeast time.Duration, limit int) ([]Absence, error) {
	rows, err := d.reads.query(ctx, `
		SELECT x.since, x.at FROM (
			SELECT s.at AS started, (SELECT b.at FROM audit b WHERE b.seq = s.seq - n.column1) AS since,
				(SELECT c.at FROM audit c WHERE c.seq = s.seq - n.column1 + 1) AS at
			FROM (
				SELECT a.seq, a.at FROM audit a WHERE a.action = $1 AND a.action <> 'certificate.issue'
				ORDER BY a.at DESC, a.seq DESC LIMIT $2) AS s,
				(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS n) AS x
		WHERE x.at - x.since >= $3 AND x.at >= x.started - 600000`,
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
