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
// expired but not before it does, since by its order an account may revoke it, and
// used nonces that would be refused for their age. Accounts stay for
// ever. It goes in batches of 1,000 rows, each a Relaxed call, and can end after any
// of them.
func (d *DB) PruneACME(ctx context.Context, now time.Time) error {
	for _, r := range remnants {
		if err := d.prune(ctx, r, now); err != nil {
			return fmt.Errorf("pruning %s: %w", r.name, err)
		}
	}
	if err := d.nonces.prune(ctx, now); err != nil {
		return fmt.Errorf("pruning nonces: %w", err)
	}
	return nil
}

// A remnant is a kind of record that has a time of its removal, and an index in the
// order of those times, so that pruning costs what it removes.
type remnant struct {
	name   string
	due    string   // times and ids of those that are to go before $1, at most $2 of them
	remove []string // all up to time $1 and id $2, but what they put off
}

var remnants = [...]remnant{{
	name: "orders",
	due: `
		SELECT o.remove_at, o.id FROM acme_orders o
		WHERE o.remove_at < $1 ORDER BY o.remove_at, o.id LIMIT $2`,
	remove: []string{`
		UPDATE acme_orders AS o SET remove_at = c.not_after FROM certificates c
		WHERE (o.remove_at, o.id) <= ($1, $2) AND c.serial = o.serial AND c.not_after > o.remove_at`, `
		DELETE FROM acme_order_authorizations WHERE order_id IN (
			SELECT o.id FROM acme_orders o WHERE (o.remove_at, o.id) <= ($1, $2))`, `
		DELETE FROM acme_orders WHERE (remove_at, id) <= ($1, $2)`},
}, {
	name: "authorizations",
	due: `
		SELECT z.remove_at, z.id FROM acme_authorizations z
		WHERE z.remove_at < $1 ORDER BY z.remove_at, z.id LIMIT $2`,
	remove: []string{`
		DELETE FROM acme_authorizations WHERE (remove_at, id) <= ($1, $2)`},
}}

// prune removes all that is to go before now.
func (d *DB) prune(ctx context.Context, r remnant, now time.Time) error {
	for {
		n, at, id, err := d.due(ctx, r, now)
		if err != nil || n == 0 {
			return err
		}
		if err := d.Relaxed(ctx, func(tx *RelaxedTx) {
			for _, query := range r.remove {
				tx.demand(anyRows, nil, query, at, id)
			}
		}); err != nil {
			return err
		}
	}
}

// due returns how many are in the next batch, and the last of them.
func (d *DB) due(ctx context.Context, r remnant, now time.Time) (n int, at int64, id []byte, err error) {
	rows, err := d.reads.query(ctx, r.due, now.UnixMilli(), pruneBatch)
	if err != nil {
		return 0, 0, nil, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		if err := rows.Scan(&at, &id); err != nil {
			return 0, 0, nil, err
		}
	}
	return n, at, id, rows.Err()
}
