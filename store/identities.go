package store

import (
	"context"
	"fmt"
)

// An IdentityFilter selects identities; the zero filter selects all.
type IdentityFilter struct {
	Role   string
	State  State
	Owner  string
	Search string // what the name begins with
}

// Identities lists identities in the order of their paths, or of their names where
// Search is given without Role, Owner and a state other than active.
func (d *DB) Identities(ctx context.Context, f IdentityFilter, p Page) ([]Identity, string, error) {
	after, err := p.key(0)
	if err != nil {
		return nil, "", err
	}
	query, args := f.query(string(after), p.limit()+1)
	rows, err := d.reads.query(ctx, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("listing identities: %w", err)
	}
	defer rows.Close()
	var ids []Identity
	for rows.Next() {
		var r identityRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, "", fmt.Errorf("listing identities: %w", err)
		}
		id, err := r.identity()
		if err != nil {
			return nil, "", err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("listing identities: %w", err)
	}
	ids, next := cut(ids, p.limit(), func(id Identity) []byte { return f.key(id) })
	return ids, next, nil
}

// byName says whether the list is ordered by name.
func (f IdentityFilter) byName() bool {
	return f.Search != "" && f.Role == "" && f.Owner == "" && !f.rare()
}

// rare says whether the list is of a state that is not the usual one, which has an
// index of its own.
func (f IdentityFilter) rare() bool { return f.State != "" && f.State != Active }

// key returns what the list is ordered by.
func (f IdentityFilter) key(id Identity) []byte {
	if f.byName() {
		return []byte(id.Name + "/" + id.Role)
	}
	return []byte(id.Path)
}

// query chooses the index that narrows the list most: owner, then a state that is not
// the usual one, then the beginning of the name, then role with the beginning of the
// name. Whatever the index does not cover is filtered. Where a page begins is one bound:
// of two an engine may begin at either, and pass over all that is between them.
func (f IdentityFilter) query(after string, limit int) (string, []any) {
	const columns = `SELECT ` + identityColumns + ` FROM identities i `
	const rest = ` AND ($3 = '' OR i.role = $3) AND ($4 = '' OR i.state = $4) AND i.name >= $5 AND i.name < $6 `
	from, to := prefix(f.Search)
	args := func(first string) []any {
		return []any{first, after, f.Role, string(f.State), from, to, limit}
	}
	switch {
	case f.Owner != "":
		return columns + `WHERE i.owner = $1 AND i.owner <> '' AND i.path > $2` + rest + `ORDER BY i.path LIMIT $7`, args(f.Owner)
	case f.byName():
		name, role := splitPath(after)
		if name < from {
			name, role = from, ""
		}
		return columns + `WHERE (i.name, i.role) > ($1, $2) AND i.name < $3 AND ($4 = '' OR i.state = $4)
			ORDER BY i.name, i.role LIMIT $5`, []any{name, role, to, string(f.State), limit}
	case f.rare() && f.Role != "":
		return columns + `WHERE i.state = $1 AND i.state <> 'active' AND i.path >= $2` + rest + `AND i.path < $7 ORDER BY i.path LIMIT $8`,
			[]any{string(f.State), behind(after, f.Role+"/"+from), f.Role, string(f.State), from, to, f.Role + "/" + to, limit}
	case f.rare():
		return columns + `WHERE i.state = $1 AND i.state <> 'active' AND i.path > $2` + rest + `ORDER BY i.path LIMIT $7`, args(string(f.State))
	case f.Role != "":
		return columns + `WHERE i.path >= $1 AND i.path < $2` + rest + `ORDER BY i.path LIMIT $7`,
			[]any{behind(after, f.Role+"/"+from), f.Role + "/" + to, f.Role, string(f.State), from, to, limit}
	}
	return columns + `WHERE i.path > $1 AND ($2 = '' OR i.state = $2) ORDER BY i.path LIMIT $3`, []any{after, string(f.State), limit}
}

// behind returns the first path that comes after one and is no less than from: no path
// holds a character below the blank.
func behind(after, from string) string {
	if after == "" {
		return from
	}
	return max(after+"\x01", from)
}

// prefix returns the range of the texts that begin with s. Names hold no
// character above '~'.
func prefix(s string) (from, to string) { return s, s + "\x7f" }
