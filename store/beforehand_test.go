package store

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// beforeIssuances is the newest schema without the index.
const beforeIssuances = 17

// While an index is made over a log in which others write, they go on writing: also while
// it waits for a transaction that has been writing for long. Of two programs that migrate
// at once, one makes it.
func TestIndexIsMadeWhileOthersWrite(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	d := open(t, config(t, dsn))
	other := newBystander(t, dsn)
	other.exec(`DROP INDEX audit_issue`)
	other.exec(`DELETE FROM migrations WHERE number > $1`, beforeIssuances)
	valid := func() (valid bool) {
		t.Helper()
		require.NoError(t, other.QueryRow(t.Context(), `SELECT COALESCE((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('audit_issue')), FALSE)`).Scan(&valid))
		return valid
	}

	slow := newBystander(t, dsn)
	slow.exec(`BEGIN`)
	slow.exec(`INSERT INTO audit (seq, at, action, leaf, hash) VALUES (1000000, 1, 'certificate.issue', '', '')`)
	migrated := make(chan error, 2)
	for range cap(migrated) {
		cfg := d.cfg
		cfg.Log, cfg.Now = slog.New(slog.DiscardHandler), time.Now
		e, err := openEngine(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { e.reader().close(); e.close() })
		go func() {
			_, err := migrate(t.Context(), e, cfg)
			migrated <- err
		}()
	}
	require.Eventually(t, func() bool { // it waits for the slow one
		var waits bool
		require.NoError(t, other.QueryRow(t.Context(), `
			SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock')`).Scan(&waits))
		return waits
	}, 30*time.Second, time.Millisecond)
	other.exec(`SET lock_timeout = '5s'`)
	other.exec(`INSERT INTO audit (seq, at, action, leaf, hash) VALUES (1000001, 1, 'certificate.issue', '', '')`)
	require.False(t, valid())
	slow.exec(`ROLLBACK`)
	for range cap(migrated) {
		require.NoError(t, <-migrated)
	}
	require.True(t, valid())
}

// An index that was begun and not finished is made again: nothing would be found by it.
func TestUnfinishedIndexIsMadeAgain(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	cfg := config(t, dsn)
	d := open(t, cfg)
	other := newBystander(t, dsn)
	other.exec(`UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'audit_issue'::regclass`)
	other.exec(`DELETE FROM migrations WHERE number > $1`, beforeIssuances)
	e, steps := nextSchema(t, d.cfg, "")
	require.NoError(t, migrateTo(t.Context(), e, d.cfg, steps[:len(steps)-1]))
	var valid bool
	require.NoError(t, other.QueryRow(t.Context(), `SELECT indisvalid FROM pg_index WHERE indexrelid = 'audit_issue'::regclass`).Scan(&valid))
	require.True(t, valid)
}
