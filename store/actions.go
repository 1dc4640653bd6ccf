package store

import (
	"context"
	"fmt"
	"math"
	"time"
)

// ActionCounts returns how many entries of the log were made since a time and before
// another, by action: what is in the archive is not among them. It reads an index entry
// for each. The zero until is no end.
func (d *DB) ActionCounts(ctx context.Context, since, until time.Time) (map[string]int64, error) {
	end := int64(math.MaxInt64)
	if !until.IsZero() {
		end = until.UnixMilli()
	}
	rows, err := d.reads.query(ctx, `
		SELECT a.action, COUNT(*) FROM audit a
		WHERE a.action > '' AND a.action <> 'certificate.issue' AND a.at >= $1 AND a.at < $2 GROUP BY a.action`, since.UnixMilli(), end)
	if err != nil {
		return nil, fmt.Errorf("counting entries: %w", err)
	}
	defer rows.Close()
	counts, rest := map[string]int64{}, int64(0)
	for rows.Next() {
		var action string
		var n int64
		if err := rows.Scan(&action, &n); err != nil {
			return nil, fmt.Errorf("counting entries: %w", err)
		}
		counts[action] = n
		rest += n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("counting entries: %w", err)
	}
	var all int64
	if err := d.reads.row(ctx, `SELECT COUNT(*) FROM audit a WHERE a.at >= $1 AND a.at < $2`, []any{since.UnixMilli(), end}, &all); err != nil {
		return nil, fmt.Errorf("counting entries: %w", err)
	}
	if all > rest { // in two reads, of a log that grows
		counts[common] = all - rest
	}
	return counts, nil
}

// PolicyVersions returns how many versions of the policy are on record, and the newest.
func (d *DB) PolicyVersions(ctx context.Context) (kept, newest int64, err error) {
	err = d.reads.row(ctx, `SELECT COUNT(*), COALESCE(MAX(p.version), 0) FROM policy p WHERE p.version > 0`, nil, &kept, &newest)
	if err != nil {
		return 0, 0, fmt.Errorf("counting the policy's versions: %w", err)
	}
	return kept, newest, nil
}
