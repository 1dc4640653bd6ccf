package store

import (
	"context"
	"database/sql"
	"fmt"
)

// A Holder is everything that decides whether a presented certificate may act:
// read in one query, because every renewal begins with it.
type Holder struct {
	Certificate Certificate
	Identity    Identity
	Revocation  *Revocation // nil: not revoked

	Confirmed      bool    // its holder has said that it is in use
	Child          *Serial // what it was renewed into last; nil: never
	Forked         bool    // it was renewed with two different keys
	ChildConfirmed bool    // the child's holder has said that it is in use
}

// Holder returns the certificate with this serial and what became of it, or
// [ErrNotFound]. The caller compares the DER with what was presented: a serial
// alone proves nothing.
func (d *DB) Holder(ctx context.Context, serial Serial) (Holder, error) {
	r, err := holders.row(ctx, d.reads, &d.holders, rowKey(serial))
	if err != nil {
		return Holder{}, fmt.Errorf("reading holder of certificate %s: %w", serial, err)
	}
	identity, err := r.who.identity()
	if err != nil {
		return Holder{}, err
	}
	h := Holder{
		Certificate: r.cert.certificate(), Identity: identity, Confirmed: r.confirmed.Valid,
		Child: nullSerial(r.child), Forked: r.forked.Bool, ChildConfirmed: r.childConfirmed.Valid,
	}
	if r.end.serial != nil {
		revocation := r.end.revocation()
		h.Revocation = &revocation
	}
	return h, nil
}

// A holderRow is what Holder reads.
type holderRow struct {
	cert                      certificateRow
	who                       identityRow
	end                       revocationRow
	child                     []byte
	forked                    sql.NullBool
	confirmed, childConfirmed sql.NullInt64
}

var holders = newLookup(`
	SELECT `+certificateColumns+`, `+identityColumns+`, `+revocationColumns+`, l.child, l.forked, own.at, its.at
	FROM certificates c
	JOIN identities i ON i.path = c.identity
	LEFT JOIN revocations r ON r.serial = c.serial
	LEFT JOIN lineage l ON l.parent = c.serial
	LEFT JOIN confirmations own ON own.serial = c.serial
	LEFT JOIN confirmations its ON its.serial = l.child
	WHERE c.serial`, false, func() *holderRow { return &holderRow{} })

func (r *holderRow) dest() []any {
	return append(append(append(r.cert.dest(), r.who.dest()...), r.end.dest()...), &r.child, &r.forked, &r.confirmed, &r.childConfirmed)
}

func (r *holderRow) key() []byte { return r.cert.serial }
