package store

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/store/storetest"
)

// A relaxed write is seen by whoever reads after it, and leaves no entry in the
// log. Whatever shares its transaction, or comes after it, is on disk all the
// same.
func TestRelaxed(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		serial := issued(t, d, "device/a").Serial
		size := d.LogSize()
		confirm := func() error {
			return d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.Confirm(serial) })
		}
		require.NoError(t, confirm())
		require.NoError(t, confirm())
		holder, err := d.Holder(t.Context(), serial)
		require.NoError(t, err)
		require.True(t, holder.Confirmed)
		require.Equal(t, size, d.LogSize())
		synced := syncs(t, d)

		for i, err := range parallel(60, func(i int) error {
			if i%2 == 0 {
				return confirm()
			}
			return update(d, func(*Tx) {})
		}) {
			require.NoError(t, err, i)
		}
		require.Equal(t, size+30, verify(t, d))
		synced()
	})
}

// One call that must be on disk puts the whole batch there.
func TestRelaxedBatch(t *testing.T) {
	must, may := &call{}, &call{relaxed: true}
	require.True(t, relaxed([]*call{may, may}))
	require.False(t, relaxed([]*call{may, must, may}))
	require.False(t, relaxed([]*call{must}))
}

// syncs checks on SQLite that the log was synced once for each batch that had to be, and for
// no other; on PostgreSQL it asks the server.
func syncs(t *testing.T, d *DB) (check func()) {
	e, ok := d.engine.(*sqlite)
	if !ok {
		require.Equal(t, durably, durability(t, d))
		return func() { require.Equal(t, durably, durability(t, d)) }
	}
	var n atomic.Int64
	require.NoError(t, d.quiet(t.Context(), func(context.Context, *AloneTx) error {
		e.disk.fdatasync = func(fd int) error {
			n.Add(1)
			return unix.Fdatasync(fd)
		}
		return nil
	}))
	n.Store(0)
	was := d.Stats()
	return func() {
		require.NoError(t, d.Relaxed(t.Context(), func(*RelaxedTx) {}))
		now := d.Stats()
		require.EqualValues(t, now.Commits.Count-was.Commits.Count, n.Load())
	}
}

const durably = "durably"

// durability returns how PostgreSQL writes the writer's next durable transaction.
func durability(t *testing.T, d *DB) (level string) {
	require.NoError(t, d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error {
		return tx.row(ctx, `SHOW synchronous_commit`, nil, &level)
	}))
	if level == "on" {
		return durably
	}
	return level
}

// What the server's administrator chose as defaults does not loosen what the
// writer relies on.
func TestPostgresDefaults(t *testing.T) {
	cfg := config(t, storetest.Postgres(t).Database(t))
	d := open(t, cfg)
	require.NoError(t, d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error {
		tx.demand(anyRows, nil, `
			DO $$ BEGIN
				EXECUTE format('ALTER DATABASE %I SET synchronous_commit TO off', current_database());
				EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation TO serializable', current_database());
			END $$`)
		return tx.Err()
	}))
	d = open(t, cfg)
	require.Equal(t, durably, durability(t, d))
	var isolation string
	require.NoError(t, d.quiet(t.Context(), func(ctx context.Context, tx *AloneTx) error {
		return tx.row(ctx, `SHOW transaction_isolation`, nil, &isolation)
	}))
	require.Equal(t, "read committed", isolation)
}
