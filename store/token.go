package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"
)

// A TokenID is how a join token is known: the first 16 bytes of the SHA-256 of
// its secret. It is no secret.
type TokenID [16]byte

// ParseTokenID reads the 32 hex digits that [TokenID.String] writes.
func ParseTokenID(s string) (TokenID, error) {
	id, err := ParseSerial(s)
	if err != nil {
		return TokenID{}, fmt.Errorf("token id %.64q: want 32 hex digits", s)
	}
	return TokenID(id), nil
}

// String returns the id as 32 lower-case hex digits.
func (id TokenID) String() string { return hex.EncodeToString(id[:]) }

func (id *TokenID) arg() any {
	if id == nil {
		return nil
	}
	return id[:]
}

// A Token is a join token as we keep it: without its secret.
type Token struct {
	ID   TokenID
	Hash [32]byte // SHA-256 of the secret, to compare in constant time

	Role  string
	Name  string // the identity's name, or a pattern of names
	Exact bool   // Name is a name

	MaxUses, Uses    int
	Expires, Created time.Time
	Revoked          *time.Time // nil: not revoked

	Network netip.Prefix // where it may be used from; zero: anywhere
	SPKI    []byte       // SHA-256 of the one public key it may be used with; empty: any
	Replace bool         // enrols an identity again, and supersedes its certificates
	Lifts   bool         // and one that is revoked
	Sealed  []byte       // its secret, wrapped by a key outside the database; empty: only the hash is known

	Owner     string // of the identity that it creates
	CreatedBy string
	UsedBy    string // path of the identity that a pattern was used for last; empty: none
}

// InsertToken demands that the token's id is new, and records it unused. The
// error is [ErrExists].
func (t *Tx) InsertToken(k Token) {
	network := ""
	if k.Network.IsValid() {
		network = k.Network.String()
	}
	t.demand(1, ErrExists, `
		INSERT INTO tokens (id, hash, role, name, exact, max_uses, uses, expires_at, network, spki, replaces, owner, created_by, created_at, sealed, lifts)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (id) DO NOTHING`,
		k.ID[:], k.Hash[:], k.Role, k.Name, k.Exact, k.MaxUses, k.Expires.UnixMilli(), network, optional(k.SPKI), k.Replace,
		k.Owner, k.CreatedBy, t.millis(), optional(k.Sealed), k.Lifts)
}

const (
	spendToken = `
		UPDATE tokens SET uses = uses + 1
		WHERE id = $1 AND uses < max_uses AND expires_at > $2 AND revoked_at IS NULL`

	nameTokenUser = `UPDATE tokens SET used_by = $1 WHERE id = $2`
)

// SpendToken demands that the token is in time, not revoked and has a use left,
// and takes that use. Of any number of callers, on any number of replicas, at
// most as many succeed as the token has uses. The error is [ErrSpent].
func (t *Tx) SpendToken(id TokenID) { t.demand(1, ErrSpent, spendToken, id[:], t.millis()) }

// NameTokenUser demands that the token exists, and records which identity its
// pattern was used for. The error is [ErrSpent].
func (t *Tx) NameTokenUser(id TokenID, path string) {
	t.demand(1, ErrSpent, nameTokenUser, path, id[:])
}

// RevokeToken demands that the token exists, and makes it useless. Revoking
// twice keeps the first time. The error is [ErrNotFound].
func (t *Tx) RevokeToken(id TokenID) {
	t.demand(1, ErrNotFound, `
		UPDATE tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2`,
		t.millis(), id[:])
}

// RevokeTokens makes every unused token that is bound to exactly this identity
// useless. There may be none.
func (t *Tx) RevokeTokens(path string) {
	role, name := splitPath(path)
	t.demand(anyRows, nil, `
		UPDATE tokens SET revoked_at = $1
		WHERE role = $2 AND name = $3 AND exact AND uses < max_uses AND revoked_at IS NULL`,
		t.millis(), role, name)
}

const tokenColumns = `t.id, t.hash, t.role, t.name, t.exact, t.max_uses, t.uses, t.expires_at, t.network, t.spki, t.replaces, t.owner, t.created_by, t.created_at, t.revoked_at, t.used_by, t.sealed, t.lifts`

// Token returns the token with this id, or [ErrNotFound].
func (d *DB) Token(ctx context.Context, id TokenID) (Token, error) {
	var r tokenRow
	err := d.reads.row(ctx, `SELECT `+tokenColumns+` FROM tokens t WHERE t.id = $1`, []any{id[:]}, r.dest()...)
	if err != nil {
		return Token{}, fmt.Errorf("reading token %s: %w", id, err)
	}
	return r.token()
}

// TokenHolder returns the token with this id, or [ErrNotFound], and the identity
// that it is bound to: nil where the token is for a pattern, or the identity does
// not exist. It is one query.
func (d *DB) TokenHolder(ctx context.Context, id TokenID) (Token, *Identity, error) {
	r, err := tokenHolders.row(ctx, d.reads, &d.tokenHolders, rowKey(id))
	if err != nil {
		return Token{}, nil, fmt.Errorf("reading token %s: %w", id, err)
	}
	token, err := r.tokenRow.token()
	if err != nil || !r.identityRow.path.Valid {
		return token, nil, err
	}
	identity, err := r.identity()
	return token, &identity, err
}

// A tokenHolderRow is what TokenHolder reads.
type tokenHolderRow struct {
	tokenRow
	identityRow
}

var tokenHolders = newLookup(`
	SELECT `+tokenColumns+`, `+identityColumns+`
	FROM tokens t LEFT JOIN identities i ON t.exact AND i.path = t.role || '/' || t.name
	WHERE t.id`, true, func() *tokenHolderRow { return &tokenHolderRow{} })

func (r *tokenHolderRow) dest() []any { return append(r.tokenRow.dest(), r.identityRow.dest()...) }
func (r *tokenHolderRow) key() []byte { return r.id }

// A TokenFilter selects tokens; the zero filter selects all.
type TokenFilter struct {
	Role string
	Name string // only together with Role: tokens for exactly this name or pattern
	Open bool   // only those that can still be used
}

// tokenWindow bounds how many tokens one call looks at to find those that match.
const tokenWindow = 2000

// Tokens lists tokens, the newest first. Only the list of all, and that of a name,
// follow an index alone: a part of another may hold fewer tokens than asked for, even
// none, and yet have a cursor that goes on. Of tokens that can still be used none is
// older than [MaxTokenLife].
func (d *DB) Tokens(ctx context.Context, f TokenFilter, p Page) ([]Token, string, error) {
	before := tokenPlace{1 << 62, []byte{}}
	switch after, err := p.key(8 + len(TokenID{})); {
	case err != nil:
		return nil, "", err
	case after != nil:
		before.created, before.id = splitNumbered(after)
	}
	now := d.cfg.Now()
	from, ends, err := d.tokenWindow(ctx, f, before)
	if err != nil {
		return nil, "", fmt.Errorf("listing tokens: %w", err)
	}
	if oldest := now.Add(-MaxTokenLife).UnixMilli(); f.Open && from.created < oldest {
		from, ends = tokenPlace{oldest, []byte{}}, true
	}
	tokens, err := d.tokensBetween(ctx, f, from, before, now, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing tokens: %w", err)
	}
	tokens, next := cut(tokens, p.limit(), func(t Token) []byte { return numbered(t.Created.UnixMilli(), t.ID[:]) })
	if next == "" && !ends {
		next = cursor(numbered(from.created, from.id))
	}
	return tokens, next, nil
}

// A tokenPlace is where a token stands in the order of their making.
type tokenPlace struct {
	created int64
	id      []byte
}

// tokenWindow returns how far back to look, and whether that is the end of the list.
func (d *DB) tokenWindow(ctx context.Context, f TokenFilter, before tokenPlace) (from tokenPlace, ends bool, err error) {
	if f == (TokenFilter{}) || f.Role != "" && f.Name != "" && !f.Open {
		return tokenPlace{-1, []byte{}}, true, nil
	}
	err = d.reads.row(ctx, `
		SELECT t.created_at, t.id FROM tokens t
		WHERE (t.created_at, t.id) < ($1, $2) ORDER BY t.created_at DESC, t.id DESC LIMIT 1 OFFSET $3`,
		[]any{before.created, before.id, tokenWindow - 1}, &from.created, &from.id)
	if isNotFound(err) {
		return tokenPlace{-1, []byte{}}, true, nil
	}
	return from, false, err
}

// tokensBetween returns the newest tokens of a stretch that match.
func (d *DB) tokensBetween(ctx context.Context, f TokenFilter, from, before tokenPlace, now time.Time, limit int) ([]Token, error) {
	const columns = `SELECT ` + tokenColumns + ` FROM tokens t `
	const rest = ` AND (t.created_at, t.id) >= ($5, $6) AND (CAST($7 AS BIGINT) = 0 OR t.expires_at > $7 AND t.uses < t.max_uses AND t.revoked_at IS NULL)
		ORDER BY t.created_at DESC, t.id DESC LIMIT $8`
	query := columns + `WHERE (t.created_at, t.id) < ($1, $2) AND ($3 = '' OR t.role = $3) AND ($4 = '' OR t.name = $4)` + rest
	if f.Role != "" && f.Name != "" {
		query = columns + `WHERE (t.created_at, t.id) < ($1, $2) AND t.role = $3 AND t.name = $4` + rest
	}
	var open int64
	if f.Open {
		open = now.UnixMilli()
	}
	rows, err := d.reads.query(ctx, query, before.created, before.id, f.Role, f.Name, from.created, from.id, open, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tokens []Token
	for rows.Next() {
		var r tokenRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, err
		}
		token, err := r.token()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, rows.Err()
}

// A tokenRow is a token as the database has it.
type tokenRow struct {
	id, hash, spki, sealed                []byte
	role, name, network, owner, createdBy string
	exact, replaces, lifts                bool
	maxUses, uses, expires, created       int64
	revoked                               sql.NullInt64
	usedBy                                sql.NullString
}

// dest returns where tokenColumns are scanned to.
func (r *tokenRow) dest() []any {
	return []any{&r.id, &r.hash, &r.role, &r.name, &r.exact, &r.maxUses, &r.uses, &r.expires, &r.network, &r.spki, &r.replaces,
		&r.owner, &r.createdBy, &r.created, &r.revoked, &r.usedBy, &r.sealed, &r.lifts}
}

func (r *tokenRow) token() (Token, error) {
	t := Token{
		Role: r.role, Name: r.name, Exact: r.exact, MaxUses: int(r.maxUses), Uses: int(r.uses),
		Expires: time.UnixMilli(r.expires).UTC(), Created: time.UnixMilli(r.created).UTC(),
		SPKI: r.spki, Sealed: r.sealed, Replace: r.replaces, Lifts: r.lifts, Owner: r.owner, CreatedBy: r.createdBy, UsedBy: r.usedBy.String,
	}
	copy(t.ID[:], r.id)
	copy(t.Hash[:], r.hash)
	if r.revoked.Valid {
		at := time.UnixMilli(r.revoked.Int64).UTC()
		t.Revoked = &at
	}
	if r.network != "" {
		network, err := netip.ParsePrefix(r.network)
		if err != nil {
			return Token{}, fmt.Errorf("reading token %s: %w", t.ID, err)
		}
		t.Network = network
	}
	return t, nil
}

// optional is NULL for an absent value.
func optional(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
