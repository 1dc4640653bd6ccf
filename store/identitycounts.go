package store

import (
	"context"
	"fmt"
)

// ActiveByRole returns how many identities of each role are active. It reads an index
// entry for each.
func (d *DB) ActiveByRole(ctx context.Context) (map[string]int64, error) {
	rows, err := d.reads.query(ctx, `
		SELECT i.role, COUNT(*) FROM identities i WHERE i.state = 'active' AND i.role > '' GROUP BY i.role`)
	if err != nil {
		return nil, fmt.Errorf("counting identities by role: %w", err)
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var role string
		var n int64
		if err := rows.Scan(&role, &n); err != nil {
			return nil, fmt.Errorf("counting identities by role: %w", err)
		}
		counts[role] = n
	}
	return counts, rows.Err()
}

// CountOwnerless returns how many active identities nobody answers for; the CA's own aside.
func (d *DB) CountOwnerless(ctx context.Context) (n int64, err error) {
	err = d.reads.row(ctx, `
		SELECT COUNT(*) FROM identities i WHERE i.state = 'active' AND i.owner = '' AND i.role <> 'ca'`, nil, &n)
	if err != nil {
		return 0, fmt.Errorf("counting identities without an owner: %w", err)
	}
	return n, nil
}

// CountUnattested returns how many active identities were attested before their role's
// time.
func (d *DB) CountUnattested(ctx context.Context, cutoffs []Cutoff) (all int64, err error) {
	for _, c := range cutoffs {
		var n int64
		err := d.reads.row(ctx, `
			SELECT COUNT(*) FROM identities i WHERE i.state = 'active' AND i.role = $1 AND i.attested_at < $2`,
			[]any{c.Role, c.Before.UnixMilli()}, &n)
		if err != nil {
			return 0, fmt.Errorf("counting identities that were not attested: %w", err)
		}
		all += n
	}
	return all, nil
}
