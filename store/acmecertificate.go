package store

import (
	"context"
	"fmt"
)

// OrderOfCertificate returns the order, without its authorizations, that the
// certificate with this serial was issued for. It returns [ErrNotFound] if there
// was none, or it was pruned since.
func (d *DB) OrderOfCertificate(ctx context.Context, serial Serial) (Order, error) {
	var r orderRow
	err := d.reads.row(ctx, `SELECT `+orderColumns+` FROM acme_orders o WHERE o.serial = $1`, []any{serial[:]}, r.dest()...)
	if err != nil {
		return Order{}, fmt.Errorf("reading order of certificate %s: %w", serial, err)
	}
	return r.order()
}
