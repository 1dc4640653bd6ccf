package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
)

// A Doubt selects identities of which it is not sure that somebody still has them.
type Doubt struct {
	Why  Why
	Role string // only of this role; empty: of all
	// Cutoffs are the times before which identities of each role have to have been
	// attested last, in the order of the roles' names. For [Unattested].
	Cutoffs []Cutoff
}

// A Cutoff is a time, for a role.
type Cutoff struct {
	Role   string
	Before time.Time
}

// Doubtful lists identities in doubt: first those that were suspended for it, by their
// paths; then those that go on, role by role: of [Unattested] who was attested longest ago
// first, of [Ownerless] who was made first. Each part follows an index.
func (d *DB) Doubtful(ctx context.Context, q Doubt, p Page) ([]Identity, string, error) {
	after, err := p.key(0)
	if err != nil {
		return nil, "", err
	}
	at := string(after)
	if at == "" {
		at = "0"
	}
	var all []Identity
	left := p.limit()
	for at != "" && left > 0 {
		some, next, err := d.doubtfulPart(ctx, q, at, left)
		if err != nil {
			return nil, "", fmt.Errorf("listing identities: %w", err)
		}
		all, at, left = append(all, some...), next, left-len(some)
	}
	if at == "" {
		return all, "", nil
	}
	return all, cursor([]byte(at)), nil
}

// doubtfulPart returns some of the list from a place on, and the place behind them:
//
//	0 PATH             suspended for it
//	1 ROLE/TIME PATH   ownerless, TIME 8 bytes
//	2 ROLE/TIME PATH   unattested
func (d *DB) doubtfulPart(ctx context.Context, q Doubt, at string, limit int) ([]Identity, string, error) {
	const columns = `SELECT ` + identityColumns + ` FROM identities i `
	from, to := "", "\x7f"
	if q.Role != "" {
		from, to = q.Role+"/", q.Role+"0" // 0 follows on /
	}
	switch at[0] {
	case '0':
		all, err := d.identities(ctx, columns+`
			WHERE i.why = $1 AND i.why <> '' AND i.path >= $2 AND i.path < $3 ORDER BY i.path LIMIT $4`, string(q.Why), behind(at[1:], from), to, limit)
		switch {
		case err != nil:
			return nil, "", err
		case len(all) == limit:
			return all, "0" + all[limit-1].Path, nil
		case q.Why == Ownerless:
			return all, "1" + q.Role + "/" + string(numbered(-1<<62, nil)), nil
		case q.Why == Unattested && len(q.Cutoffs) > 0:
			return all, "2" + q.Cutoffs[0].Role + "/" + string(numbered(-1<<62, nil)), nil
		}
		return all, "", nil
	case '1':
		role, made, path, ok := splitPlace(at[1:])
		if !ok {
			return nil, "", ErrBadCursor
		}
		if role < q.Role {
			role, made, path = q.Role, -1<<62, ""
		}
		all, err := d.identities(ctx, columns+`
			WHERE i.state = 'active' AND i.owner = '' AND i.role <> 'ca' AND (i.role, i.created_at, i.path) > ($1, $2, $3) AND i.role <= $4
			ORDER BY i.role, i.created_at, i.path LIMIT $5`, role, made, path, cmp.Or(q.Role, "\x7f"), limit)
		if err != nil || len(all) < limit {
			return all, "", err
		}
		last := all[limit-1]
		return all, "1" + last.Role + "/" + string(numbered(last.Created.UnixMilli(), []byte(last.Path))), nil
	case '2':
		role, attested, path, ok := splitPlace(at[1:])
		if !ok {
			return nil, "", ErrBadCursor
		}
		for i, c := range q.Cutoffs {
			if c.Role < role || q.Role != "" && c.Role != q.Role {
				continue
			}
			if c.Role > role {
				attested, path = -1<<62, ""
			}
			all, err := d.identities(ctx, columns+`
				WHERE i.role = $1 AND i.state = 'active' AND (i.attested_at, i.path) > ($2, $3) AND i.attested_at < $4
				ORDER BY i.attested_at, i.path LIMIT $5`, c.Role, attested, path, c.Before.UnixMilli(), limit)
			switch {
			case err != nil:
				return nil, "", err
			case len(all) == limit:
				last := all[limit-1]
				return all, "2" + c.Role + "/" + string(numbered(last.Attested.UnixMilli(), []byte(last.Path))), nil
			case i == len(q.Cutoffs)-1:
				return all, "", nil
			}
			return all, "2" + q.Cutoffs[i+1].Role + "/" + string(numbered(-1<<62, nil)), nil
		}
		return nil, "", nil
	}
	return nil, "", ErrBadCursor
}

// splitPlace returns the parts of ROLE/TIME PATH.
func splitPlace(place string) (role string, at int64, path string, ok bool) {
	role, key, ok := strings.Cut(place, "/")
	if !ok || len(key) < 8 {
		return "", 0, "", false
	}
	at, rest := splitNumbered([]byte(key))
	return role, at, string(rest), true
}

// identities returns what a query finds.
func (d *DB) identities(ctx context.Context, query string, args ...any) ([]Identity, error) {
	rows, err := d.reads.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Identity
	for rows.Next() {
		var r identityRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, err
		}
		id, err := r.identity()
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}
