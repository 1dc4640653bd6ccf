package store

import (
	"context"
	"fmt"
)

// KeepSealed keeps a small secret, which whoever calls has sealed, under a name, unless one
// is kept under it already; and returns the one that is kept, durably. So all processes on
// a database, and what is restored of it, have the same. Nothing is ever replaced, and
// there is no audit entry: it is of no use to anybody who cannot open it.
func (d *DB) KeepSealed(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	err := d.quiet(ctx, func(_ context.Context, tx *AloneTx) error {
		tx.demand(anyRows, nil, `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, metaSealed+name, sealed)
		return tx.err
	})
	if err != nil {
		return nil, fmt.Errorf("keeping the sealed %s: %w", name, err)
	}
	return d.Sealed(ctx, name)
}

// Sealed returns what KeepSealed keeps under the name, or [ErrNotFound].
func (d *DB) Sealed(ctx context.Context, name string) (sealed []byte, err error) {
	if err := d.reads.row(ctx, readMeta, []any{metaSealed + name}, &sealed); err != nil {
		return nil, fmt.Errorf("reading the sealed %s: %w", name, err)
	}
	return sealed, nil
}

const metaSealed = "sealed " // precedes the name in meta
