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

// AccountCertificate returns the certificate with this serial that the account was
// issued for an order. It returns [ErrNotFound] if there is none, and once the order
// was pruned.
func (d *DB) AccountCertificate(ctx context.Context, account AccountID, serial Serial) (Certificate, error) {
	var r certificateRow
	err := d.reads.row(ctx, `
		SELECT `+certificateColumns+` FROM acme_orders o JOIN certificates c ON c.serial = o.serial
		WHERE o.serial = $1 AND o.account = $2`, []any{serial[:], account[:]}, r.dest()...)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading certificate %s of account %s: %w", serial, account, err)
	}
	return r.certificate(), nil
}
