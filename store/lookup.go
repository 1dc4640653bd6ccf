package store

import "context"

// A lookup is a query for the row that has a key.
type lookup[R keyed] struct {
	one, many string // for $1, a key; for those in $1, an array
	early     bool   // see reads.early
	empty     func() R
}

// A keyed row says where its columns are scanned to, and then what it was found by.
type keyed interface {
	dest() []any
	key() []byte
}

// newLookup makes a lookup of a query that ends in front of what the key is compared by.
func newLookup[R keyed](query string, early bool, empty func() R) lookup[R] {
	return lookup[R]{one: query + ` = $1`, many: query + ` = ANY ($1)`, early: early, empty: empty}
}

// row returns the row with this key, or [ErrNotFound]; on a server together with those that
// others look up.
func (l *lookup[R]) row(ctx context.Context, r *reads, g *gatherer[R], key rowKey) (row R, err error) {
	if r.engine.shared() {
		return g.get(ctx, key, func(ctx context.Context, keys []rowKey) (map[rowKey]R, error) {
			rows, err := l.rows(ctx, r, keys)
			if ctx.Err() != nil { // it does not answer, and may be gone without a word
				r.engine.renew()
			}
			return rows, err
		})
	}
	rows, err := l.rows(ctx, r, []rowKey{key})
	if err != nil {
		return row, err
	}
	row, found := rows[key]
	if !found {
		return row, ErrNotFound
	}
	return row, nil
}

// rows returns those of the rows that there are, by their keys.
func (l *lookup[R]) rows(ctx context.Context, r *reads, keys []rowKey) (map[rowKey]R, error) {
	query, arg := l.one, any(keys[0][:])
	if len(keys) > 1 {
		all := make(byteas, len(keys))
		for i := range keys {
			all[i] = keys[i][:]
		}
		query, arg = l.many, all
	}
	read := r.query
	if l.early {
		read = r.early
	}
	rows, err := read(ctx, query, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[rowKey]R, len(keys))
	for rows.Next() {
		row := l.empty()
		if err := rows.Scan(row.dest()...); err != nil {
			return nil, err
		}
		found[rowKey(row.key())] = row
	}
	return found, rows.Err()
}
