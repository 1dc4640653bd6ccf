package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// An Account is an ACME account (RFC 8555, Section 7.1.2).
type Account struct {
	ID         AccountID
	Thumbprint [32]byte // of its key: RFC 7638, SHA-256
	SPKI       [32]byte // SHA-256 of its key's SubjectPublicKeyInfo
	JWK        []byte   // its public key

	Status   AccountStatus
	Contacts []string
	Terms    bool // it has agreed to the terms of service

	Identity string   // path of the identity that it is bound to for good; empty: unbound
	Token    *TokenID // the token that bound it; nil: unbound

	Created time.Time
}

// An AccountStatus is where an account is in its life (RFC 8555, Section 7.1.6).
type AccountStatus string

// The statuses of an account. Only a valid one gets certificates, and nothing
// leads back to valid.
const (
	AccountValid       AccountStatus = "valid"
	AccountDeactivated AccountStatus = "deactivated" // by its holder
	AccountRevoked     AccountStatus = "revoked"     // by us
)

// InsertAccount demands that no account has the key ([ErrExists]), and that it was
// never certified nor another account's in the past ([ErrKeyTaken]). It records
// the account as valid, and takes the key for ever.
func (t *Tx) InsertAccount(a Account) {
	t.demand(1, ErrExists, `
		INSERT INTO acme_accounts (id, thumbprint, spki, jwk, status, contacts, terms, identity, token, created_at)
		VALUES ($1, $2, $3, $4, 'valid', $5, $6, $7, $8, $9)
		ON CONFLICT DO NOTHING`,
		a.ID[:], a.Thumbprint[:], a.SPKI[:], a.JWK, list(a.Contacts), a.Terms, a.Identity, a.Token.arg(), t.millis())
	t.takeAccountKey(a.SPKI, a.ID)
}

// ChangeAccountKey demands that the account is valid and its key's thumbprint is
// old ([ErrStale]), that no other account has the new key ([ErrExists]), and that
// it was never certified nor another account's in the past ([ErrKeyTaken], which
// is also what the loser of two replicas hears). It gives the account the new key
// (RFC 8555, Section 7.3.5).
func (t *Tx) ChangeAccountKey(id AccountID, old, thumbprint, spki [32]byte, jwk []byte) {
	t.demand(1, ErrStale, `
		UPDATE acme_accounts SET status = 'valid' WHERE id = $1 AND status = 'valid' AND thumbprint = $2`,
		id[:], old[:])
	t.demand(1, ErrExists, `
		UPDATE acme_accounts SET status = 'valid'
		WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM acme_accounts a WHERE a.thumbprint = $2 AND a.id <> $1)`,
		id[:], thumbprint[:])
	t.takeAccountKey(spki, id)
	t.demand(1, ErrStale, `
		UPDATE acme_accounts SET thumbprint = $1, spki = $2, jwk = $3 WHERE id = $4`,
		thumbprint[:], spki[:], jwk, id[:])
}

// UpdateAccount demands that the account is valid, and changes what its holder may
// change (RFC 8555, Section 7.3.2). The error is [ErrStale].
func (t *Tx) UpdateAccount(id AccountID, contacts []string, terms bool) {
	t.demand(1, ErrStale, `
		UPDATE acme_accounts SET contacts = $1, terms = $2 WHERE id = $3 AND status = 'valid'`,
		list(contacts), terms, id[:])
}

// DeactivateAccount demands that the account is valid, and ends it for its holder
// (RFC 8555, Section 7.3.6). The error is [ErrStale].
func (t *Tx) DeactivateAccount(id AccountID) {
	t.demand(1, ErrStale, `
		UPDATE acme_accounts SET status = 'deactivated' WHERE id = $1 AND status = 'valid'`, id[:])
}

// RevokeAccounts ends every valid account that is bound to the identity. There may
// be none. Demand it after what changes tokens and before what changes the
// identity: the order in which issuing takes their locks.
func (t *Tx) RevokeAccounts(path string) {
	t.demand(anyRows, nil, `
		UPDATE acme_accounts SET status = 'revoked' WHERE identity = $1 AND identity <> '' AND status = 'valid'`, path)
}

// revokeAccounts is RevokeAccounts, and returns which.
func (t *AloneTx) revokeAccounts(ctx context.Context, path string) ([]AccountID, error) {
	rows, err := t.query(ctx, `
		UPDATE acme_accounts SET status = 'revoked' WHERE identity = $1 AND identity <> '' AND status = 'valid'
		RETURNING id`, path)
	if err != nil {
		return nil, fmt.Errorf("revoking accounts of %s: %w", path, err)
	}
	ids, err := collectIDs(rows, func(id []byte) AccountID { return AccountID(id) })
	if err != nil {
		return nil, fmt.Errorf("revoking accounts of %s: %w", path, err)
	}
	return ids, nil
}

const accountColumns = `a.id, a.thumbprint, a.spki, a.jwk, a.status, a.contacts, a.terms, a.identity, a.token, a.created_at`

// Account returns the account with this id, or [ErrNotFound].
func (d *DB) Account(ctx context.Context, id AccountID) (Account, error) {
	var r accountRow
	err := d.reads.row(ctx, `SELECT `+accountColumns+` FROM acme_accounts a WHERE a.id = $1`, []any{id[:]}, r.dest()...)
	if err != nil {
		return Account{}, fmt.Errorf("reading account %s: %w", id, err)
	}
	return r.account()
}

// AccountByKey returns the account whose key has this thumbprint now, whatever its
// status, or [ErrNotFound].
func (d *DB) AccountByKey(ctx context.Context, thumbprint [32]byte) (Account, error) {
	var r accountRow
	err := d.reads.row(ctx, `SELECT `+accountColumns+` FROM acme_accounts a WHERE a.thumbprint = $1`, []any{thumbprint[:]}, r.dest()...)
	if err != nil {
		return Account{}, fmt.Errorf("reading account by key: %w", err)
	}
	return r.account()
}

// A HeldAccount is an account with what its certificates rest on.
type HeldAccount struct {
	Account
	Holder       *Identity // that it is bound to; nil: unbound
	TokenRevoked bool      // the token that bound it, since
}

// HeldAccount returns the account with this id, or [ErrNotFound], in one query.
func (d *DB) HeldAccount(ctx context.Context, id AccountID) (HeldAccount, error) {
	var r accountRow
	var i identityRow
	var revoked sql.NullInt64
	err := d.reads.row(ctx, `
		SELECT `+accountColumns+`, `+identityColumns+`, t.revoked_at
		FROM acme_accounts a
		LEFT JOIN identities i ON i.path = a.identity
		LEFT JOIN tokens t ON t.id = a.token
		WHERE a.id = $1`, []any{id[:]}, append(append(r.dest(), i.dest()...), &revoked)...)
	if err != nil {
		return HeldAccount{}, fmt.Errorf("reading account %s: %w", id, err)
	}
	a, err := r.account()
	held := HeldAccount{Account: a, TokenRevoked: revoked.Valid}
	if err != nil || !i.path.Valid {
		return held, err
	}
	holder, err := i.identity()
	held.Holder = &holder
	return held, err
}

// An accountRow is an account as the database has it.
type accountRow struct {
	id, thumbprint, spki, jwk, token []byte
	status, contacts, identity       string
	terms                            bool
	created                          int64
}

// dest returns where accountColumns are scanned to.
func (r *accountRow) dest() []any {
	return []any{&r.id, &r.thumbprint, &r.spki, &r.jwk, &r.status, &r.contacts, &r.terms, &r.identity, &r.token, &r.created}
}

func (r *accountRow) account() (Account, error) {
	a := Account{
		JWK: r.jwk, Status: AccountStatus(r.status), Terms: r.terms, Identity: r.identity,
		Token: (*TokenID)(nullSerial(r.token)), Created: fromMillis(r.created),
	}
	copy(a.ID[:], r.id)
	copy(a.Thumbprint[:], r.thumbprint)
	copy(a.SPKI[:], r.spki)
	if err := unlist(r.contacts, &a.Contacts); err != nil {
		return Account{}, fmt.Errorf("reading account %s: contacts: %w", a.ID, err)
	}
	return a, nil
}

// collectIDs reads a column of ids, and closes rows.
func collectIDs[ID any](rows *sql.Rows, id func([]byte) ID) ([]ID, error) {
	defer rows.Close()
	var ids []ID
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		ids = append(ids, id(b))
	}
	return ids, rows.Err()
}
