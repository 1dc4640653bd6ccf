package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// While somebody reads an old moment, as a backup does for minutes, giving the WAL's
// space back fails by itself: it must not wait, since writers would wait for it.
func TestBackupHoldsNobodyUp(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	must(t, d, func(*Tx) {})
	e := d.engine.(*sqlite)
	reader := openFile(e.path, "mode=ro", ``)
	defer reader.Close()
	tx, err := reader.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	var n int
	require.NoError(t, tx.QueryRow(`SELECT COUNT(*) FROM audit`).Scan(&n))
	must(t, d, func(*Tx) {})

	busy := 0
	require.NoError(t, e.upkeep.QueryRow(`PRAGMA busy_timeout`).Scan(&busy))
	require.LessOrEqual(t, busy, 100)
	var copied, pages int
	require.NoError(t, e.upkeep.QueryRow(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &copied))
	require.Equal(t, 1, busy)
	must(t, d, func(*Tx) {})
}
