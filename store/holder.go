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
	var (
		c              certificateRow
		i              identityRow
		r              revocationRow
		child          []byte
		forked         sql.NullBool
		confirmed      sql.NullInt64
		childConfirmed sql.NullInt64
	)
	dest := append(append(append(c.dest(), i.dest()...), r.dest()...), &child, &forked, &confirmed, &childConfirmed)
	err := d.reads.row(ctx, `
		SELECT `+certificateColumns+`, `+identityColumns+`, `+revocationColumns+`, l.child, l.forked, own.at, its.at
		FROM certificates c
		JOIN identities i ON i.path = c.identity
		LEFT JOIN revocations r ON r.serial = c.serial
		LEFT JOIN lineage l ON l.parent = c.serial
		LEFT JOIN confirmations own ON own.serial = c.serial
		LEFT JOIN confirmations its ON its.serial = l.child
		WHERE c.serial = $1`, []any{serial[:]}, dest...)
	if err != nil {
		return Holder{}, fmt.Errorf("reading holder of certificate %s: %w", serial, err)
	}
	identity, err := i.identity()
	if err != nil {
		return Holder{}, err
	}
	h := Holder{
		Certificate: c.certificate(), Identity: identity, Confirmed: confirmed.Valid,
		Child: nullSerial(child), Forked: forked.Bool, ChildConfirmed: childConfirmed.Valid,
	}
	if r.serial != nil {
		revocation := r.revocation()
		h.Revocation = &revocation
	}
	return h, nil
}
