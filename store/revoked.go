package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"
)

// A Provenance is what the store knows of a serial, revocation aside.
type Provenance int

const (
	NeverIssued Provenance = iota // for certain
	Purged                        // older than what is kept: it has left, or somebody made it up
	Issued
)

// Status returns what OCSP has to say of a serial: whether this issuer issued it,
// and its revocation, nil if it has none. A revocation outlives its certificate. It
// is one query for what is on record, and two for what is not.
func (d *DB) Status(ctx context.Context, issuer string, serial Serial) (Provenance, *Revocation, error) {
	var found []byte
	var r revocationRow
	err := d.reads.earlyRow(ctx, `
		SELECT c.serial, `+revocationColumns+`
		FROM certificates c LEFT JOIN revocations r ON r.serial = c.serial
		WHERE c.serial = $1 AND c.issuer = (SELECT s.id FROM issuers s WHERE s.key_id = $2)`,
		[]any{serial[:], issuer}, append([]any{&found}, r.dest()...)...)
	if isNotFound(err) {
		return d.departed(ctx, issuer, serial)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("reading status of %s: %w", serial, err)
	}
	if r.serial != nil { // which is not to be good again after a crash; nobody has what is good and not on disk
		if err := d.engine.settled(); err != nil {
			return 0, nil, err
		}
	}
	return Issued, r.optional(), nil
}

// departed is Status of a serial that no certificate on record has. The horizon is
// read after that: it rises in the transaction that purges.
func (d *DB) departed(ctx context.Context, issuer string, serial Serial) (Provenance, *Revocation, error) {
	var horizon int64
	var r revocationRow
	err := d.reads.row(ctx, `
		SELECT n.horizon, `+revocationColumns+`
		FROM retention n LEFT JOIN revocations r ON r.serial = $1 AND r.issuer = (SELECT s.id FROM issuers s WHERE s.key_id = $2)
		WHERE n.id = 1`,
		[]any{serial[:], issuer}, append([]any{&horizon}, r.dest()...)...)
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("reading status of %s: %w", serial, err)
	case r.serial != nil:
		return Issued, r.optional(), nil
	case serial.Time().UnixMilli() <= horizon:
		return Purged, nil, nil
	}
	return NeverIssued, nil, nil
}

// RevokedSince returns what of this issuer was revoked with a number greater than
// number, in the order of their numbers. Whoever remembers the greatest number that
// it has seen misses none: numbers become visible in ascending order.
func (d *DB) RevokedSince(ctx context.Context, issuer string, number int64) ([]Revocation, error) {
	rows, err := d.reads.query(ctx, `
		SELECT `+revocationColumns+` FROM revocations r
		WHERE r.issuer = (SELECT s.id FROM issuers s WHERE s.key_id = $1) AND r.number > $2
		ORDER BY r.number, r.serial`, issuer, number)
	if err != nil {
		return nil, fmt.Errorf("reading revocations since %d: %w", number, err)
	}
	return collectRevocations(rows)
}

// Revocations yields every revocation of this issuer's with a number of at most
// upTo whose certificate ends after since, in the order of serials and bounded
// memory: what a full CRL says. It passes over those of other issuers, too. Only serial, reason and time are read. Rows are not yielded out
// of one snapshot, and need not be: what has such a number does not change.
func (d *DB) Revocations(ctx context.Context, issuer string, upTo int64, since time.Time) iter.Seq2[Revocation, error] {
	return func(yield func(Revocation, error) bool) {
		var after Serial
		page := make([]Revocation, 0, revocationPage)
		for {
			var err error
			if page, err = d.revocationPage(ctx, page[:0], issuer, after, upTo, since); err != nil {
				yield(Revocation{}, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if len(page) < revocationPage {
				return
			}
			after = page[len(page)-1].Serial
		}
	}
}

const revocationPage = 10_000

// revocationPage appends to page.
func (d *DB) revocationPage(ctx context.Context, page []Revocation, issuer string, after Serial, upTo int64, since time.Time) ([]Revocation, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	rows, err := d.reads.query(ctx, `
		SELECT r.serial, r.reason, r.revoked_at FROM revocations r
		WHERE r.serial > $1 AND r.number <= $2 AND r.not_after > $3 AND +r.issuer = (SELECT s.id FROM issuers s WHERE s.key_id = $4)
		ORDER BY r.serial LIMIT $5`, after[:], upTo, since.UnixMilli(), issuer, revocationPage)
	if err != nil {
		return nil, fmt.Errorf("reading revocations: %w", err)
	}
	defer rows.Close()
	var serial sql.RawBytes // a million of them: nothing is allocated for each
	var reason, at int64
	for rows.Next() {
		if err := rows.Scan(&serial, &reason, &at); err != nil {
			return nil, fmt.Errorf("reading revocations: %w", err)
		}
		r := Revocation{Issuer: issuer, Reason: int(reason), At: fromMillis(at)}
		copy(r.Serial[:], serial)
		page = append(page, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading revocations: %w", err)
	}
	return page, nil
}

// CRLNumber returns the greatest CRL number that was taken or reserved.
func (d *DB) CRLNumber(ctx context.Context) (int64, error) {
	var number int64
	if err := d.reads.row(ctx, `SELECT number FROM crl_number WHERE id = 1`, nil, &number); err != nil {
		return 0, fmt.Errorf("reading CRL number: %w", err)
	}
	return number, nil
}

// ReserveCRLNumbers reserves n numbers, durably, and returns the first of them:
// the block is first to first+n-1. A revocation goes past it; then the rest of
// the block is void, and its holder must drop it: see [DB.OnRevoked].
//
// A full disk does not stop it as long as the ballast lasts: peers refuse everyone
// once the numbers stop rising.
func (d *DB) ReserveCRLNumbers(ctx context.Context, n int) (first int64, err error) {
	c := quietly(func(ctx context.Context, tx *AloneTx) error {
		var last int64
		if err := tx.row(ctx, `UPDATE crl_number SET number = number + $1 WHERE id = 1 RETURNING number`, []any{n}, &last); err != nil {
			return err
		}
		first = last - int64(n) + 1
		return nil
	})
	c.essential = true
	if err := d.write(ctx, c); err != nil {
		return 0, fmt.Errorf("reserving CRL numbers: %w", err)
	}
	return first, nil
}

func collectRevocations(rows *sql.Rows) ([]Revocation, error) {
	defer rows.Close()
	return scanRevocations(rows)
}

// scanRevocations reads rows of database/sql or of pgx.
func scanRevocations(rows interface {
	Next() bool
	Scan(...any) error
	Err() error
}) ([]Revocation, error) {
	var all []Revocation
	for rows.Next() {
		var r revocationRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, fmt.Errorf("reading revocations: %w", err)
		}
		all = append(all, r.revocation())
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading revocations: %w", err)
	}
	return all, nil
}

// A revocationRow is a revocation as the database has it; all NULL where an
// outer join found none.
type revocationRow struct {
	serial                  []byte
	identity, issuer        sql.NullString
	reason, at, end, number sql.NullInt64
}

// dest returns where revocationColumns are scanned to.
func (r *revocationRow) dest() []any {
	return []any{&r.serial, &r.identity, &r.reason, &r.at, &r.end, &r.number, &r.issuer}
}

// optional is nil where an outer join found none.
func (r *revocationRow) optional() *Revocation {
	if r.serial == nil {
		return nil
	}
	v := r.revocation()
	return &v
}

func (r *revocationRow) revocation() Revocation {
	v := Revocation{
		Issuer: r.issuer.String, Identity: r.identity.String, Reason: int(r.reason.Int64), Number: r.number.Int64,
		At: time.UnixMilli(r.at.Int64).UTC(), NotAfter: time.UnixMilli(r.end.Int64).UTC(),
	}
	copy(v.Serial[:], r.serial)
	return v
}
