package store

import (
	"context"
	"fmt"
)

// A Fall is what a revocation took away, for the audit event, for a dry run and
// for the answer to whoever asked.
type Fall struct {
	Number      int64        // CRL number of the revocations; 0 if there are none
	Revocations []Revocation // certificates that were live until now
	Tokens      []TokenID    // unused tokens that are revoked
	Accounts    []AccountID  // ACME accounts that are ended
	Requests    []RequestID  // requests for approval that are denied
	Names       []string     // names and addresses that are free again
}

// Empty says that nothing fell.
func (f Fall) Empty() bool {
	return len(f.Revocations)+len(f.Tokens)+len(f.Accounts)+len(f.Requests)+len(f.Names) == 0
}

// Identity returns the identity with this path, or [ErrNotFound], and on
// PostgreSQL locks it until the transaction ends.
func (t *AloneTx) Identity(ctx context.Context, path string) (Identity, error) {
	var r identityRow
	err := t.row(ctx, `SELECT `+identityColumns+` FROM identities i WHERE i.path = $1 {update}`, []any{path}, r.dest()...)
	if err != nil {
		return Identity{}, fmt.Errorf("reading identity %s: %w", path, err)
	}
	return r.identity()
}

// Certificate returns the certificate with this serial, or [ErrNotFound].
func (t *AloneTx) Certificate(ctx context.Context, serial Serial) (Certificate, error) {
	var r certificateRow
	err := t.row(ctx, `SELECT `+certificateColumns+` FROM certificates c WHERE c.serial = $1`, []any{serial[:]}, r.dest()...)
	if err != nil {
		return Certificate{}, fmt.Errorf("reading certificate %s: %w", serial, err)
	}
	return r.certificate(), nil
}

// RevokeIdentity makes the identity a tombstone: its state becomes revoked
// whatever it was, its unused tokens are revoked, its ACME accounts end, what was
// approved for it is denied, its live certificates fall, and its names are free. Doing so again takes away what may have come since, and
// nothing else. The error is [ErrNotFound] if there is no such identity.
func (t *AloneTx) RevokeIdentity(ctx context.Context, path string, reason int) (Fall, error) {
	var fall Fall
	var err error
	// Tokens, accounts, requests, then the identity: the order in which issuing takes
	// their locks.
	if fall.Tokens, err = t.revokeTokens(ctx, path); err != nil {
		return Fall{}, err
	}
	if fall.Accounts, err = t.revokeAccounts(ctx, path); err != nil {
		return Fall{}, err
	}
	if fall.Requests, err = t.denyRequests(ctx, path); err != nil {
		return Fall{}, err
	}
	id, err := t.Identity(ctx, path)
	if err != nil {
		return Fall{}, err
	}
	late, err := t.denyRequests(ctx, path) // approved while we waited for the identity
	if err != nil {
		return Fall{}, err
	}
	fall.Requests = append(fall.Requests, late...)
	if id.State != Revoked {
		if t.SetState(path, []State{id.State}, Revoked); t.err != nil {
			return Fall{}, t.err
		}
	}
	if fall.Number, fall.Revocations, err = t.revokeCertificates(ctx, path, reason); err != nil {
		return Fall{}, err
	}
	fall.Names, err = t.freeNames(ctx, path)
	return fall, err
}

// RevokeCertificates revokes the identity's live certificates and raises its
// revision, so that what was decided before is stale. It touches nothing else.
// The error is [ErrNotFound] if there is no such identity.
func (t *AloneTx) RevokeCertificates(ctx context.Context, path string, reason int) (Fall, error) {
	if t.bump(path); t.err != nil {
		return Fall{}, t.err
	}
	var fall Fall
	var err error
	fall.Number, fall.Revocations, err = t.revokeCertificates(ctx, path, reason)
	return fall, err
}

// RevokeCertificate revokes one certificate, live or expired, and raises its
// identity's revision. It returns its revocation, and whether this call made it:
// revoking twice keeps the first reason and changes nothing. The error is
// [ErrNotFound] if we did not issue the serial.
func (t *AloneTx) RevokeCertificate(ctx context.Context, serial Serial, reason int) (r Revocation, fresh bool, err error) {
	cert, err := t.Certificate(ctx, serial)
	if err != nil {
		return Revocation{}, false, err
	}
	if _, err := t.Identity(ctx, cert.Identity); err != nil { // its lock keeps others from revoking the same one meanwhile
		return Revocation{}, false, err
	}
	var row revocationRow
	switch err := t.row(ctx, `SELECT `+revocationColumns+` FROM revocations r WHERE r.serial = $1`, []any{serial[:]}, row.dest()...); {
	case err == nil:
		return row.revocation(), false, nil
	case !isNotFound(err):
		return Revocation{}, false, fmt.Errorf("reading revocation of %s: %w", serial, err)
	}
	number, err := t.number(ctx)
	if err != nil {
		return Revocation{}, false, err
	}
	t.bump(cert.Identity)
	r = Revocation{Serial: serial, Issuer: cert.Issuer, Identity: cert.Identity, Reason: reason, At: fromMillis(t.millis()), NotAfter: cert.NotAfter, Number: number}
	return r, true, t.insertRevocation(r)
}

// bump makes what was decided about the identity stale.
func (t *AloneTx) bump(path string) {
	t.demand(1, ErrNotFound, `
		UPDATE identities SET revision = revision + 1, changed_at = $1 WHERE path = $2`,
		t.millis(), path)
}

// number takes a CRL number.
func (t *AloneTx) number(ctx context.Context) (int64, error) {
	var number int64
	err := t.row(ctx, nextNumber+` RETURNING number`, nil, &number)
	if err != nil {
		return 0, fmt.Errorf("taking a CRL number: %w", err)
	}
	return number, nil
}

func (t *AloneTx) revokeCertificates(ctx context.Context, path string, reason int) (int64, []Revocation, error) {
	rows, err := t.query(ctx, `
		SELECT c.serial, c.identity, CAST($1 AS INTEGER), CAST($2 AS BIGINT), c.not_after, CAST(0 AS BIGINT),
			(SELECT s.key_id FROM issuers s WHERE s.id = c.issuer)
		FROM certificates c
		WHERE c.identity = $3 AND c.not_after > $4
		AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)
		ORDER BY c.serial`, reason, t.millis(), path, t.millis())
	if err != nil {
		return 0, nil, fmt.Errorf("reading live certificates of %s: %w", path, err)
	}
	live, err := collectRevocations(rows)
	if err != nil || len(live) == 0 {
		return 0, nil, err
	}
	number, err := t.number(ctx)
	if err != nil {
		return 0, nil, err
	}
	for i := range live {
		live[i].Number = number
		if err := t.insertRevocation(live[i]); err != nil {
			return 0, nil, err
		}
	}
	return number, live, nil
}

func (t *AloneTx) insertRevocation(r Revocation) error {
	t.revokes = true
	t.demand(1, ErrExists, `
		INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
		VALUES ($1, $2, $3, $4, $5, $6, (SELECT c.issuer FROM certificates c WHERE c.serial = $1)) ON CONFLICT (serial) DO NOTHING`,
		r.Serial[:], r.Identity, r.Reason, r.At.UnixMilli(), r.NotAfter.UnixMilli(), r.Number)
	return t.err
}

func (t *AloneTx) revokeTokens(ctx context.Context, path string) ([]TokenID, error) {
	role, name := splitPath(path)
	rows, err := t.query(ctx, `
		UPDATE tokens SET revoked_at = $1
		WHERE role = $2 AND name = $3 AND exact AND uses < max_uses AND revoked_at IS NULL
		RETURNING id`, t.millis(), role, name)
	if err != nil {
		return nil, fmt.Errorf("revoking tokens of %s: %w", path, err)
	}
	ids, err := collectIDs(rows, func(id []byte) TokenID { return TokenID(id) })
	if err != nil {
		return nil, fmt.Errorf("revoking tokens of %s: %w", path, err)
	}
	return ids, nil
}

func (t *AloneTx) denyRequests(ctx context.Context, path string) ([]RequestID, error) {
	rows, err := t.query(ctx, denyRequests+` RETURNING id`, self, t.millis(), path)
	if err != nil {
		return nil, fmt.Errorf("denying requests of %s: %w", path, err)
	}
	ids, err := collectIDs(rows, func(id []byte) RequestID { return RequestID(id) })
	if err != nil {
		return nil, fmt.Errorf("denying requests of %s: %w", path, err)
	}
	return ids, nil
}

func (t *AloneTx) freeNames(ctx context.Context, path string) ([]string, error) {
	rows, err := t.query(ctx, `DELETE FROM names WHERE holder = $1 RETURNING name`, path)
	if err != nil {
		return nil, fmt.Errorf("freeing names of %s: %w", path, err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("freeing names of %s: %w", path, err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
