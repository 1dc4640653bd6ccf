package store

import (
	"context"
	"fmt"
	"time"
)

// A Deposit is what a further replica is made from: the authority's files, sealed
// by whoever deposited them. The store keeps the newest, and does not look into it.
// It vouches for nothing: whoever owns the database can put another in its place.
type Deposit struct {
	// Version counts the deposits, from 1. Made is the transaction's time.
	Version int64
	Content []byte
	Made    time.Time
}

// MaxDeposit bounds what is read as a deposit, in bytes.
const MaxDeposit = 1 << 20

// PutDeposit demands that the deposit which p replaces has this version, 0: that
// there is none, and puts p in its place. Of several who replace the same one, one
// succeeds. The error is [ErrStale].
func (t *Tx) PutDeposit(p Deposit, replaces int64) {
	if replaces == 0 {
		t.demand(1, ErrStale, `
			INSERT INTO deposit (id, version, content, made_at) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING`,
			p.Version, p.Content, t.millis())
		return
	}
	t.demand(1, ErrStale, `
		UPDATE deposit SET version = $1, content = $2, made_at = $3 WHERE id = 1 AND version = $4`,
		p.Version, p.Content, t.millis(), replaces)
}

// DepositVersion returns the version of the deposit, 0 if there is none.
func (d *DB) DepositVersion(ctx context.Context) (version int64, err error) {
	err = d.reads.row(ctx, `SELECT version FROM deposit WHERE id = 1`, nil, &version)
	if err != nil && !isNotFound(err) {
		return 0, fmt.Errorf("reading the deposit's version: %w", err)
	}
	return version, nil
}

// Deposit returns the deposit, or [ErrNotFound]. Of one that is longer than
// [MaxDeposit] the content is nil.
func (d *DB) Deposit(ctx context.Context) (Deposit, error) {
	var p Deposit
	var made int64
	err := d.reads.row(ctx, `
		SELECT version, CASE WHEN length(content) <= $1 THEN content END, made_at FROM deposit WHERE id = 1`,
		[]any{MaxDeposit}, &p.Version, &p.Content, &made)
	if err != nil {
		return Deposit{}, fmt.Errorf("reading the deposit: %w", err)
	}
	p.Made = fromMillis(made)
	return p, nil
}
