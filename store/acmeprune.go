package store

import (
	"context"
	"fmt"
	"time"
)

const (
	pruneEvery = 5 * time.Minute
	pruneBatch = 1000 // rows of a transaction: a few milliseconds for whoever waits behind it

	keepExpired = 24 * time.Hour      // orders and authorizations that came to nothing or are out of time
	keepValid   = 30 * 24 * time.Hour // orders that have a certificate
)

// PruneACME removes what is of no use any more: orders and authorizations that
// expired more than a day before now, orders with a certificate 30 days after they
// expired, and used nonces that would be refused for their age. Accounts stay for
// ever. It goes in batches of 1,000 rows, each a Relaxed call, and can end after any
// of them.
func (d *DB) PruneACME(ctx context.Context, now time.Time) error {
	for _, r := range remnants {
		if err := d.prune(ctx, r, now.Add(-r.keep)); err != nil {
			return fmt.Errorf("pruning %s: %w", r.name, err)
		}
	}
	if err := d.nonces.prune(ctx, now); err != nil {
		return fmt.Errorf("pruning nonces: %w", err)
	}
	return nil
}

// A remnant is a kind of record that is of no use once its end is long past. Each
// has an index of its own, in the order of ends, so that pruning costs what it
// removes.
type remnant struct {
	name   string
	keep   time.Duration // after its end
	due    string        // ends and ids of those that ended before $1, at most $2 of them
	remove []string      // all up to end $1 and id $2
}

var remnants = [...]remnant{{
	name: "orders that expired", keep: keepExpired,
	due: `
		SELECT o.expires_at, o.id FROM acme_orders o
		WHERE o.status <> 'valid' AND o.expires_at < $1 ORDER BY o.expires_at, o.id LIMIT $2`,
	remove: []string{`
		DELETE FROM acme_order_authorizations WHERE order_id IN (
			SELECT o.id FROM acme_orders o WHERE o.status <> 'valid' AND (o.expires_at, o.id) <= ($1, $2))`, `
		DELETE FROM acme_orders WHERE status <> 'valid' AND (expires_at, id) <= ($1, $2)`},
}, {
	name: "orders that were completed", keep: keepValid,
	due: `
		SELECT o.expires_at, o.id FROM acme_orders o
		WHERE o.status = 'valid' AND o.expires_at < $1 ORDER BY o.expires_at, o.id LIMIT $2`,
	remove: []string{`
		DELETE FROM acme_order_authorizations WHERE order_id IN (
			SELECT o.id FROM acme_orders o WHERE o.status = 'valid' AND (o.expires_at, o.id) <= ($1, $2))`, `
		DELETE FROM acme_orders WHERE status = 'valid' AND (expires_at, id) <= ($1, $2)`},
}, {
	name: "authorizations", keep: keepExpired,
	due: `
		SELECT z.expires_at, z.id FROM acme_authorizations z
		WHERE z.expires_at < $1 ORDER BY z.expires_at, z.id LIMIT $2`,
	remove: []string{`DELETE FROM acme_authorizations WHERE (expires_at, id) <= ($1, $2)`},
}}

// prune removes all that ended before a moment.
func (d *DB) prune(ctx context.Context, r remnant, before time.Time) error {
	for {
		n, end, id, err := d.due(ctx, r, before)
		if err != nil || n == 0 {
			return err
		}
		if err := d.Relaxed(ctx, func(tx *RelaxedTx) {
			for _, query := range r.remove {
				tx.demand(anyRows, nil, query, end, id)
			}
		}); err != nil {
			return err
		}
	}
}

// due returns how many are in the next batch, and the last of them.
func (d *DB) due(ctx context.Context, r remnant, before time.Time) (n int, end int64, id []byte, err error) {
	rows, err := d.reads.query(ctx, r.due, before.UnixMilli(), pruneBatch)
	if err != nil {
		return 0, 0, nil, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		if err := rows.Scan(&end, &id); err != nil {
			return 0, 0, nil, err
		}
	}
	return n, end, id, rows.Err()
}

// pruning prunes until ctx is done.
func (d *DB) pruning(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		if err := d.PruneACME(ctx, d.cfg.Now()); err != nil && ctx.Err() == nil {
			d.cfg.Log.Error("what ACME has left behind was not pruned", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
