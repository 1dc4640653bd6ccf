package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A CRL is a signed revocation list that was published.
type CRL struct {
	Issuer                 string // hex of the issuer's key id
	Kind                   string // "full", "delta"; of a shard "n/i"
	Number, Base           int64  // Base: of a delta
	ThisUpdate, NextUpdate time.Time
	DER                    []byte
}

// SaveCRL keeps the newest CRL of its issuer and kind, durably and without an
// audit entry: it states nothing that is not on record. One with a number that
// is not greater than the kept one's is dropped. On a full disk it is [ErrDiskFull]:
// the ballast is for revocations, which are on record with or without a list.
func (d *DB) SaveCRL(ctx context.Context, c CRL) error {
	if err := d.Health(); errors.Is(err, ErrDiskFull) {
		return fmt.Errorf("saving %s CRL %d: %w", c.Kind, c.Number, err)
	}
	err := d.quiet(ctx, func(ctx context.Context, tx *AloneTx) error {
		tx.demand(anyRows, nil, `
			INSERT INTO crls (issuer, kind, number, base, this_update, next_update, der)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (issuer, kind) DO UPDATE
			SET number = excluded.number, base = excluded.base, this_update = excluded.this_update,
			    next_update = excluded.next_update, der = excluded.der
			WHERE crls.number < excluded.number`,
			c.Issuer, c.Kind, c.Number, c.Base, c.ThisUpdate.UnixMilli(), c.NextUpdate.UnixMilli(), c.DER)
		return tx.err
	})
	if err != nil {
		return fmt.Errorf("saving %s CRL %d: %w", c.Kind, c.Number, err)
	}
	return nil
}

// LatestCRL returns the CRL that [DB.SaveCRL] kept, or [ErrNotFound].
func (d *DB) LatestCRL(ctx context.Context, issuer, kind string) (CRL, error) {
	c := CRL{Issuer: issuer, Kind: kind}
	var this, next int64
	err := d.reads.row(ctx, `
		SELECT number, base, this_update, next_update, der FROM crls WHERE issuer = $1 AND kind = $2`,
		[]any{issuer, kind}, &c.Number, &c.Base, &this, &next, &c.DER)
	if err != nil {
		return CRL{}, fmt.Errorf("reading %s CRL: %w", kind, err)
	}
	c.ThisUpdate, c.NextUpdate = fromMillis(this), fromMillis(next)
	return c, nil
}
