package store

import (
	"context"
	"fmt"
	"time"
)

// MaxRelyingParties is how many relying parties are kept: those that were heard
// last.
const MaxRelyingParties = 100_000

// An EnforcementReport is what a relying party said last of one issuer's list.
type EnforcementReport struct {
	Identity    string // path
	Issuer      string // key identifier, in hex
	Number      int64  // CRL number that it enforces
	Reported    time.Time
	Enforced    time.Time // by its own clock
	FirstSeen   time.Time
	Address     string
	Connections int64
	MaxAge      time.Duration // of a list that it takes, in seconds; 0: it did not say
}

// RecordEnforcement keeps a report, unless a later one of the same identity and
// issuer is kept: another process may have heard it.
func (t *RelaxedTx) RecordEnforcement(r EnforcementReport) {
	t.demand(anyRows, nil, `
		INSERT INTO relying_parties (identity, issuer, number, reported_at, enforced_at, first_seen, address, connections, max_age)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (identity, issuer) DO UPDATE SET
			number = excluded.number, reported_at = excluded.reported_at, enforced_at = excluded.enforced_at,
			address = excluded.address, connections = excluded.connections, max_age = excluded.max_age
		WHERE excluded.reported_at >= relying_parties.reported_at`,
		r.Identity, r.Issuer, r.Number, r.Reported.UnixMilli(), r.Enforced.UnixMilli(), r.FirstSeen.UnixMilli(), r.Address, r.Connections, int64(r.MaxAge/time.Second))
}

// ForgetRelyingParty removes what an identity has reported.
func (t *RelaxedTx) ForgetRelyingParty(identity string) {
	t.demand(anyRows, nil, `DELETE FROM relying_parties WHERE identity = $1`, identity)
}

// EnforcementReports returns the reports that came at since or later, of
// identities that are active: the newest [MaxRelyingParties], the newest first.
func (d *DB) EnforcementReports(ctx context.Context, since time.Time) ([]EnforcementReport, error) {
	rows, err := d.reads.query(ctx, `
		SELECT p.identity, p.issuer, p.number, p.reported_at, p.enforced_at, p.first_seen, p.address, p.connections, p.max_age
		FROM relying_parties p
		WHERE p.reported_at >= $1 AND EXISTS (SELECT 1 FROM identities i WHERE i.path = p.identity AND i.state = 'active')
		ORDER BY p.reported_at DESC, p.identity DESC, p.issuer DESC LIMIT $2`, since.UnixMilli(), MaxRelyingParties)
	if err != nil {
		return nil, fmt.Errorf("reading what relying parties enforce: %w", err)
	}
	defer rows.Close()
	var all []EnforcementReport
	for rows.Next() {
		var r EnforcementReport
		var reported, enforced, first, maxAge int64
		if err := rows.Scan(&r.Identity, &r.Issuer, &r.Number, &reported, &enforced, &first, &r.Address, &r.Connections, &maxAge); err != nil {
			return nil, fmt.Errorf("reading what relying parties enforce: %w", err)
		}
		r.Reported, r.Enforced, r.FirstSeen = fromMillis(reported), fromMillis(enforced), fromMillis(first)
		r.MaxAge = time.Duration(maxAge) * time.Second
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading what relying parties enforce: %w", err)
	}
	return all, nil
}

// PruneEnforcement removes the reports that came before, and those above
// [MaxRelyingParties]. It goes in batches of 1,000 rows, each a Relaxed call, and
// can end after any of them.
func (d *DB) PruneEnforcement(ctx context.Context, before time.Time) error {
	cutoff := before.UnixMilli()
	var full int64
	err := d.reads.row(ctx, `
		SELECT p.reported_at FROM relying_parties p
		ORDER BY p.reported_at DESC, p.identity DESC, p.issuer DESC LIMIT 1 OFFSET $1`, []any{MaxRelyingParties}, &full)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("pruning what relying parties enforce: %w", err)
	}
	cutoff = max(cutoff, full)
	for {
		var left int
		err := d.reads.row(ctx, `
			SELECT COUNT(*) FROM (SELECT 1 FROM relying_parties p WHERE p.reported_at < $1 LIMIT $2) due`, []any{cutoff, pruneBatch}, &left)
		if err != nil || left == 0 {
			return err
		}
		if err := d.Relaxed(ctx, func(tx *RelaxedTx) {
			tx.demand(anyRows, nil, `
				DELETE FROM relying_parties WHERE (identity, issuer) IN (
					SELECT p.identity, p.issuer FROM relying_parties p
					WHERE p.reported_at < $1 ORDER BY p.reported_at, p.identity, p.issuer LIMIT $2)`, cutoff, pruneBatch)
		}); err != nil {
			return fmt.Errorf("pruning what relying parties enforce: %w", err)
		}
	}
}

// LastRevoked returns the greatest CRL number, of those from first to last, under
// which certificates of that issuer were revoked, and when; [ErrNotFound] if there
// is none.
func (d *DB) LastRevoked(ctx context.Context, issuer string, first, last int64) (number int64, at time.Time, err error) {
	var ms int64
	err = d.reads.row(ctx, `
		SELECT r.number, r.revoked_at FROM revocations r
		WHERE r.issuer = (SELECT s.id FROM issuers s WHERE s.key_id = $1) AND r.number >= $2 AND r.number <= $3
		ORDER BY r.number DESC, r.serial DESC LIMIT 1`, []any{issuer, first, last}, &number, &ms)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("reading revocations %d to %d: %w", first, last, err)
	}
	return number, fromMillis(ms), nil
}

// Shared says whether other processes may write to the store: on PostgreSQL.
func (d *DB) Shared() bool { return d.engine.shared() }
