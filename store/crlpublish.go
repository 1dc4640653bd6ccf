package store

import (
	"context"
	"fmt"
)

// PublishCRL is [DB.SaveCRL] for a list that is to be served by several processes,
// and with it others that go along, its shards. It reports whether the list is kept:
// if not, one with a greater number is, and the list must not be served, because
// somebody may have seen the other one. What goes along is kept, row by row, where its
// number is greater.
//
// Lists in refused lie there and are none of ours: they make room, whatever number
// their rows claim.
//
// What goes along is written before, some dozens in a transaction, so that other
// writes do not wait for all of it. A full disk does not stop PublishCRL as long as
// there is a ballast: peers refuse everyone once the numbers stop rising.
func (d *DB) PublishCRL(ctx context.Context, c CRL, along, refused []CRL) (kept bool, err error) {
	for len(along) > 0 {
		n := crlBatch(along)
		if _, err := d.publishCRLs(ctx, along[:n], refused); err != nil {
			return false, fmt.Errorf("publishing what goes with %s CRL %d: %w", c.Kind, c.Number, err)
		}
		along = along[n:]
	}
	n, err := d.publishCRLs(ctx, []CRL{c}, refused)
	if err != nil {
		return false, fmt.Errorf("publishing %s CRL %d: %w", c.Kind, c.Number, err)
	}
	return n == 1, nil
}

// crlBatch returns how many of the lists go into one transaction: one at least, 64 or
// some 256 KiB at most.
func crlBatch(all []CRL) (n int) {
	for bytes := 0; n < len(all) && n < 64 && (n == 0 || bytes+len(all[n].DER) <= 256<<10); n++ {
		bytes += len(all[n].DER)
	}
	return n
}

// publishCRLs writes lists in one transaction, and returns how many are kept.
func (d *DB) publishCRLs(ctx context.Context, all, refused []CRL) (kept int, err error) {
	c := quietly(func(ctx context.Context, tx *AloneTx) error {
		kept = 0 // it may run more than once
		for _, c := range all {
			var old CRL
			for _, r := range refused {
				if r.Issuer == c.Issuer && r.Kind == c.Kind {
					old = r
				}
			}
			var number int64
			err := tx.row(ctx, `
				INSERT INTO crls (issuer, kind, number, base, this_update, next_update, der)
				VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (issuer, kind) DO UPDATE
				SET number = excluded.number, base = excluded.base, this_update = excluded.this_update,
				    next_update = excluded.next_update, der = excluded.der
				WHERE crls.number < excluded.number OR crls.number = $8 AND crls.der = $9
				RETURNING number`,
				[]any{c.Issuer, c.Kind, c.Number, c.Base, c.ThisUpdate.UnixMilli(), c.NextUpdate.UnixMilli(), c.DER, old.Number, old.DER}, &number)
			switch {
			case err == nil:
				kept++
			case !isNotFound(err):
				return err
			}
		}
		return tx.err
	})
	c.essential = true
	return kept, d.writer.do(ctx, c)
}

// CRLNumbers returns the number of each list that is kept for an issuer and has one
// above after, by kind. It is what the rows say, not the lists.
func (d *DB) CRLNumbers(ctx context.Context, issuer string, after int64) (map[string]int64, error) {
	rows, err := d.reads.query(ctx, `SELECT kind, number FROM crls WHERE issuer = $1 AND number > $2`, issuer, after)
	if err != nil {
		return nil, fmt.Errorf("reading which CRLs there are: %w", err)
	}
	defer rows.Close()
	all := map[string]int64{}
	for rows.Next() {
		var kind string
		var number int64
		if err := rows.Scan(&kind, &number); err != nil {
			return nil, fmt.Errorf("reading which CRLs there are: %w", err)
		}
		all[kind] = number
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading which CRLs there are: %w", err)
	}
	return all, nil
}
