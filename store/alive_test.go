package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A slowCopy is an engine on which a copy takes longer than the server lets a transaction
// be silent.
type slowCopy struct {
	*postgres
	then func()
}

func (e *slowCopy) backup(ctx context.Context, dir, name string) (string, error) {
	if _, err := e.read.ExecContext(ctx, `SELECT pg_sleep(1)`); err != nil {
		return "", err
	}
	if e.then != nil {
		e.then()
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return e.postgres.backup(ctx, dir, name)
}

// A store that takes long to copy is migrated all the same; and not if the transaction is
// lost meanwhile, which ends the copy.
func TestMigrationSlowCopy(t *testing.T) {
	d := open(t, config(t, storetest.Postgres(t).Database(t)))
	cfg := d.cfg
	require.NoError(t, d.Close())
	next, steps := nextSchema(t, cfg, `CREATE TABLE next (x BIGINT);`)
	e := &slowCopy{postgres: next.(*postgres)}
	e.alive = 50 * time.Millisecond
	e.conf.RuntimeParams["idle_in_transaction_session_timeout"] = "400ms"
	require.NoError(t, e.write.Close())
	e.write = stdlib.OpenDB(*e.conf)

	e.then = func() {
		_, err := e.read.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`)
		require.NoError(t, err)
	}
	require.ErrorContains(t, migrateTo(t.Context(), e, cfg, steps), "terminating connection due to administrator command")
	require.Error(t, e.reader().row(t.Context(), `SELECT COUNT(*) FROM next`, nil, new(int)))

	e.then = nil
	require.NoError(t, migrateTo(t.Context(), e, cfg, steps))
	require.NoError(t, e.reader().row(t.Context(), `SELECT COUNT(*) FROM next`, nil, new(int)))
	copies, err := MigrationCopies(cfg.BackupDir)
	require.NoError(t, err)
	require.Len(t, copies, 1)
}
