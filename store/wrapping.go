package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// metaWrapping precedes the id of a wrapping key in meta, in hex. The value is when it was
// made, in Unix milliseconds of 8 bytes, and how the log's key sealed it.
const metaWrapping = "wrapping "

// wrappings are the keys that wrap data keys: one, and until all is wrapped anew the one
// before. A store has none while the log's own key wraps.
type wrappings struct {
	keys   *audit.Keys
	all    map[audit.KeyID]audit.WrappingKey
	newest audit.KeyID
	made   time.Time // the newest; zero: there is none
}

type queryFunc func(ctx context.Context, query string, args ...any) (*sql.Rows, error)

func (d *DB) wrappings(ctx context.Context, query queryFunc) (wrappings, error) {
	w := wrappings{keys: d.cfg.Keys, all: map[audit.KeyID]audit.WrappingKey{}}
	rows, err := query(ctx, `SELECT m.key, m.value FROM meta m WHERE m.key >= $1 AND m.key < $2`, metaWrapping, metaWrapping+"g")
	if err != nil {
		return w, fmt.Errorf("reading wrapping keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return w, fmt.Errorf("reading wrapping keys: %w", err)
		}
		id, err := hex.DecodeString(name[len(metaWrapping):])
		if err != nil || len(id) != len(audit.KeyID{}) || len(value) < 8 {
			return w, fmt.Errorf("reading wrapping keys: %.80q is none", name)
		}
		key, err := d.cfg.Keys.OpenWrapping(audit.KeyID(id), value[8:])
		if err != nil {
			return w, err
		}
		w.all[key.ID] = key
		if made := fromMillis(int64(binary.BigEndian.Uint64(value))); made.After(w.made) {
			w.newest, w.made = key.ID, made
		}
	}
	return w, rows.Err()
}

// wrap wraps a data key as those are that come now.
func (w wrappings) wrap(d audit.DataKey) []byte {
	if w.made.IsZero() {
		return w.keys.Wrap(d)
	}
	return w.all[w.newest].Wrap(d)
}

// errUnwrapped reports a data key whose wrapping key was not read.
var errUnwrapped = errors.New("its wrapping key is not there")

func (w wrappings) unwrap(id audit.KeyID, wrapped []byte) (audit.DataKey, error) {
	by, ok := audit.WrappedBy(wrapped)
	if !ok {
		return w.keys.Unwrap(id, wrapped)
	}
	key, ok := w.all[by]
	if !ok {
		return audit.DataKey{}, fmt.Errorf("data key %s, wrapped by %s: %w", id, by, errUnwrapped)
	}
	return key.Unwrap(id, wrapped)
}

// current says whether a data key is wrapped as those are that come now.
func (w wrappings) current(wrapped []byte) bool {
	by, ok := audit.WrappedBy(wrapped)
	return ok == !w.made.IsZero() && by == w.newest
}

// A datedKey is a data key, and when it was made.
type datedKey struct {
	audit.DataKey
	made time.Time
}

func keyringOf(all []datedKey) *audit.Keyring {
	keys := make([]audit.DataKey, len(all))
	for i, k := range all {
		keys[i] = k.DataKey
	}
	return audit.NewKeyring(keys...)
}

// unwrapped returns the data keys that a query finds: of each its id, how it is wrapped, and
// when it was made. A wrapping key that is replaced between its two reads is looked for
// again.
func (d *DB) unwrapped(ctx context.Context, query string, args ...any) (all []datedKey, err error) {
	for range 3 {
		var w wrappings
		if w, err = d.wrappings(ctx, d.reads.query); err != nil {
			return nil, err
		}
		if all, err = unwrapAll(ctx, d.reads.query, w, query, args...); !errors.Is(err, errUnwrapped) {
			return all, err
		}
	}
	return nil, err
}

func unwrapAll(ctx context.Context, read queryFunc, w wrappings, query string, args ...any) ([]datedKey, error) {
	rows, err := read(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading data keys: %w", err)
	}
	defer rows.Close()
	var all []datedKey
	for rows.Next() {
		var id, wrapped []byte
		var made int64
		if err := rows.Scan(&id, &wrapped, &made); err != nil {
			return nil, fmt.Errorf("reading data keys: %w", err)
		}
		if len(id) != len(audit.KeyID{}) {
			return nil, fmt.Errorf("reading data keys: id of %d bytes", len(id))
		}
		key, err := w.unwrap(audit.KeyID(id), wrapped)
		if err != nil {
			return nil, fmt.Errorf("data key %x does not open, is this the log's key? %w", id, err)
		}
		all = append(all, datedKey{key, fromMillis(made)})
	}
	return all, rows.Err()
}
