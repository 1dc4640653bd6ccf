package store

import (
	"context"
	"fmt"
	"time"
)

// A Sharding is a number of lists that an issuer's certificates may be spread over.
type Sharding struct {
	N     int       // a power of two
	Since time.Time // when it was put on record
}

// AddSharding puts on record, durably, that certificates may come to point at one of n
// lists. It does nothing if that is known. Shardings are never removed.
func (d *DB) AddSharding(ctx context.Context, issuer string, n int) error {
	err := d.quiet(ctx, func(_ context.Context, tx *AloneTx) error {
		tx.demand(anyRows, nil, `
			INSERT INTO crl_shards (issuer, n, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			issuer, n, tx.millis())
		return tx.err
	})
	if err != nil {
		return fmt.Errorf("recording %d shards: %w", n, err)
	}
	return nil
}

// Shardings returns the issuer's, fewest lists first.
func (d *DB) Shardings(ctx context.Context, issuer string) ([]Sharding, error) {
	rows, err := d.reads.query(ctx, `SELECT n, added_at FROM crl_shards WHERE issuer = $1 ORDER BY n`, issuer)
	if err != nil {
		return nil, fmt.Errorf("reading shards: %w", err)
	}
	defer rows.Close()
	var all []Sharding
	for rows.Next() {
		var s Sharding
		var since int64
		if err := rows.Scan(&s.N, &since); err != nil {
			return nil, fmt.Errorf("reading shards: %w", err)
		}
		s.Since = fromMillis(since)
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading shards: %w", err)
	}
	return all, nil
}
