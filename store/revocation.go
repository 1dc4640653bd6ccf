package store

import (
	"context"
	"fmt"
	"time"
)

// A Revocation is a certificate that is no longer good. It is written once: the
// first reason and time stay.
type Revocation struct {
	Serial   Serial
	Issuer   string // of the certificate: its authority key identifier, in hex
	Identity string
	Reason   int // RFC 5280, Section 5.3.1
	At       time.Time
	NotAfter time.Time // of the certificate: after it the CRL may forget

	// Number is the CRL number that the revocation took. It is shared by all that
	// fell in one transaction, and greater than any number that was taken or
	// reserved before.
	Number int64
}

// superseded is the reason of a certificate that another one replaced.
const superseded = 4

const (
	nextNumber = `UPDATE crl_number SET number = number + 1 WHERE id = 1`

	revokeLive = `
		INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
		SELECT c.serial, c.identity, $1, $2, c.not_after, n.number, c.issuer
		FROM certificates c, crl_number n
		WHERE c.identity = $3 AND c.not_after > $4 AND n.id = 1
		AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)`
)

// ReplaceCertificates demands that the identity is active at this revision,
// raises the revision, and revokes every live certificate of the identity as
// superseded. An InsertCertificate that follows in the same call demands
// revision+1. The error is [ErrStale].
func (t *Tx) ReplaceCertificates(path string, revision int64) {
	t.demand(1, ErrStale, `
		UPDATE identities SET revision = revision + 1, changed_at = $1
		WHERE path = $2 AND revision = $3 AND state = 'active'`,
		t.millis(), path, revision)
	t.revokeLive(path, superseded)
}

// revokeLive revokes the identity's live certificates. The row of the identity
// must have been changed before in the same transaction: its lock keeps
// certificates from being added meanwhile.
func (t *Tx) revokeLive(path string, reason int) {
	t.revokes = true
	t.demand(1, ErrNotFound, nextNumber)
	t.demand(anyRows, nil, revokeLive, reason, t.millis(), path, t.millis())
}

const revocationColumns = `r.serial, r.identity, r.reason, r.revoked_at, r.not_after, r.number,
	(SELECT s.key_id FROM issuers s WHERE s.id = r.issuer)`

// Revocation returns what became of the certificate with this serial, or
// [ErrNotFound] if it was never revoked. Whether it was ever issued is
// [DB.Certificate]'s to say.
func (d *DB) Revocation(ctx context.Context, serial Serial) (Revocation, error) {
	var r revocationRow
	err := d.reads.row(ctx, `SELECT `+revocationColumns+` FROM revocations r WHERE r.serial = $1`, []any{serial[:]}, r.dest()...)
	if err != nil {
		return Revocation{}, fmt.Errorf("reading revocation of %s: %w", serial, err)
	}
	return r.revocation(), nil
}
