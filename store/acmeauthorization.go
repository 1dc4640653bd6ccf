package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// An Authorization says that an account may have certificates for an identifier,
// or how it can show that it may (RFC 8555, Section 7.1.4).
type Authorization struct {
	ID      AuthorizationID
	Account AccountID
	Identifier
	Wildcard bool // for "*." and the name

	Status           AuthorizationStatus
	Token            string // of all its challenges; empty: it was valid from the first
	Created, Expires time.Time

	Challenge string     // type of the challenge that was attempted last; empty: none
	Attempted *time.Time // when; nil: never
	Validated *time.Time // when its challenge was met; nil: never
	Error     []byte     // of the attempt: a problem document; empty: none
	SPKI      []byte     // SHA-256 of the attested key's SubjectPublicKeyInfo; empty: none
}

// An AuthorizationStatus is what is recorded of an authorization's status. Whether
// it has expired is for the reader to judge.
type AuthorizationStatus string

// The statuses of an authorization. Pending leads to the other three, valid to
// deactivated, and nothing else anywhere.
const (
	AuthorizationPending     AuthorizationStatus = "pending"
	AuthorizationValid       AuthorizationStatus = "valid"
	AuthorizationInvalid     AuthorizationStatus = "invalid"
	AuthorizationDeactivated AuthorizationStatus = "deactivated" // by the account
)

// attemptTime is how long an attempt at a challenge keeps others from beginning:
// longer than it can take, so that one that a crash ended can be made again.
const attemptTime = time.Minute

func (t *RelaxedTx) insertAuthorization(a Authorization) {
	t.demand(1, ErrExists, `
		INSERT INTO acme_authorizations (id, account, type, value, wildcard, status, token, created_at, expires_at, remove_at, challenge, validated_at, spki)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT DO NOTHING`,
		a.ID[:], a.Account[:], a.Type, a.Value, a.Wildcard, string(a.Status), a.Token, t.millis(), a.Expires.UnixMilli(),
		a.Expires.Add(keepExpired).UnixMilli(), a.Challenge, optionalTime(a.Validated), optional(a.SPKI))
}

// AttemptAuthorization demands that the authorization is pending and in time and
// that no attempt at a challenge was begun within the last minute, and records that
// one at a challenge of this type begins. The error is [ErrStale]: of any number of
// callers, on any number of replicas, one succeeds.
func (t *RelaxedTx) AttemptAuthorization(id AuthorizationID, challenge string) {
	t.demand(1, ErrStale, `
		UPDATE acme_authorizations SET challenge = $1, attempted_at = $2
		WHERE id = $3 AND status = 'pending' AND expires_at > $4 AND (attempted_at IS NULL OR attempted_at <= $5)`,
		challenge, t.millis(), id[:], t.millis(), t.Now().Add(-attemptTime).UnixMilli())
}

// CompleteAuthorization demands that the authorization is pending, and records what
// came of the attempt: status valid or invalid, the problem document of one that
// failed, the SHA-256 of the key that was attested if one was, and until when the
// status holds. The error is [ErrStale].
func (t *RelaxedTx) CompleteAuthorization(id AuthorizationID, status AuthorizationStatus, problem, spki []byte, expires time.Time) {
	var validated *time.Time
	if now := t.Now(); status == AuthorizationValid {
		validated = &now
	}
	t.demand(1, ErrStale, `
		UPDATE acme_authorizations SET status = $1, error = $2, spki = $3, expires_at = $4, remove_at = $5, validated_at = $6
		WHERE id = $7 AND status = 'pending'`,
		string(status), optional(problem), optional(spki), expires.UnixMilli(), expires.Add(keepExpired).UnixMilli(),
		optionalTime(validated), id[:])
}

// DeactivateAuthorization demands that the authorization is pending or valid, and
// ends it (RFC 8555, Section 7.5.2). The error is [ErrStale].
func (t *RelaxedTx) DeactivateAuthorization(id AuthorizationID) {
	t.demand(1, ErrStale, `
		UPDATE acme_authorizations SET status = 'deactivated' WHERE id = $1 AND status IN ('pending', 'valid')`, id[:])
}

const authorizationColumns = `z.id, z.account, z.type, z.value, z.wildcard, z.status, z.token, z.created_at, z.expires_at, z.challenge, z.attempted_at, z.validated_at, z.error, z.spki`

// Authorization returns the authorization with this id, or [ErrNotFound].
func (d *DB) Authorization(ctx context.Context, id AuthorizationID) (Authorization, error) {
	var r authorizationRow
	err := d.reads.row(ctx, `SELECT `+authorizationColumns+` FROM acme_authorizations z WHERE z.id = $1`, []any{id[:]}, r.dest()...)
	if err != nil {
		return Authorization{}, fmt.Errorf("reading authorization %s: %w", id, err)
	}
	return r.authorization(), nil
}

// ValidAuthorizations returns, for each of the identifiers for which the account
// holds authorizations that are valid now, the one that does so longest. It is one
// query for each identifier.
func (d *DB) ValidAuthorizations(ctx context.Context, account AccountID, identifiers []OrderIdentifier) ([]Authorization, error) {
	now := d.cfg.Now().UnixMilli()
	var found []Authorization
	for _, id := range identifiers {
		var r authorizationRow
		switch err := d.reads.row(ctx, `
			SELECT `+authorizationColumns+` FROM acme_authorizations z
			WHERE z.account = $1 AND z.type = $2 AND z.value = $3 AND z.wildcard = $4 AND z.expires_at > $5 AND z.status = 'valid'
			ORDER BY z.expires_at DESC LIMIT 1`,
			[]any{account[:], id.Type, id.Value, id.Wildcard, now}, r.dest()...); {
		case err == nil:
			found = append(found, r.authorization())
		case !isNotFound(err):
			return nil, fmt.Errorf("reading authorizations of account %s: %w", account, err)
		}
	}
	return found, nil
}

// HoldsAuthorizations says whether the account holds a valid authorization for each
// of the identifiers; false if there is none to hold.
func (d *DB) HoldsAuthorizations(ctx context.Context, account AccountID, identifiers []OrderIdentifier) (bool, error) {
	found, err := d.ValidAuthorizations(ctx, account, identifiers)
	return len(identifiers) > 0 && len(found) == len(identifiers), err
}

// An authorizationRow is an authorization as the database has it; all NULL where an
// outer join found none.
type authorizationRow struct {
	id, account, problem, spki             []byte
	kind, value, status, token, challenge  sql.NullString
	wildcard                               sql.NullBool
	created, expires, attempted, validated sql.NullInt64
}

// dest returns where authorizationColumns are scanned to.
func (r *authorizationRow) dest() []any {
	return []any{&r.id, &r.account, &r.kind, &r.value, &r.wildcard, &r.status, &r.token, &r.created, &r.expires,
		&r.challenge, &r.attempted, &r.validated, &r.problem, &r.spki}
}

func (r *authorizationRow) authorization() Authorization {
	a := Authorization{
		Identifier: Identifier{r.kind.String, r.value.String}, Wildcard: r.wildcard.Bool,
		Status: AuthorizationStatus(r.status.String), Token: r.token.String, Challenge: r.challenge.String,
		Created: fromMillis(r.created.Int64), Expires: fromMillis(r.expires.Int64),
		Attempted: nullTime(r.attempted), Validated: nullTime(r.validated), Error: r.problem, SPKI: r.spki,
	}
	copy(a.ID[:], r.id)
	copy(a.Account[:], r.account)
	return a
}

// optionalTime is NULL for an absent time.
func optionalTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMilli()
}

// nullTime reads a column of times that may be NULL.
func nullTime(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	at := fromMillis(ms.Int64)
	return &at
}
