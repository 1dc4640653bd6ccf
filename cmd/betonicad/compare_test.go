package main_test

import (
	"database/sql"
	"encoding/hex"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// compare holds what the machines have against what the database says, read as
// an outsider would. It is for a daemon that has started again: until then the
// recovery is not the daemon's.
func (l *load) compare(t testing.TB, driver, dsn string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()

	stored := serialsIn(t, db)
	for serial := range l.held {
		require.True(t, stored[serial], "a machine holds %s, and the store does not know it", serial)
	}
	for _, never := range []struct{ what, query string }{
		{"a certificate without its audit entry, or an entry without its certificate", `
			SELECT abs((SELECT count(*) FROM certificates) - (SELECT count(*) FROM audit WHERE action = 'certificate.issue'))`},
		{"a token that bought two certificates", `
			SELECT count(*) FROM (SELECT token FROM certificates WHERE token IS NOT NULL GROUP BY token HAVING count(*) > 1) AS twice`},
		{"a certificate whose token is not spent", `
			SELECT count(*) FROM certificates c JOIN tokens t ON t.id = c.token WHERE t.uses = 0`},
		{"a spent token that bought nothing, and bound nobody", `
			SELECT count(*) FROM tokens WHERE uses > 0 AND id NOT IN (SELECT token FROM certificates WHERE token IS NOT NULL)
			AND id NOT IN (SELECT token FROM acme_accounts WHERE token IS NOT NULL)`},
		{"a certificate with two children", `
			SELECT count(*) FROM (SELECT parent FROM certificates WHERE parent IS NOT NULL GROUP BY parent HAVING count(*) > 1) AS twice`},
		{"an active identity without a certificate", `
			SELECT count(*) FROM identities WHERE state = 'active' AND path NOT IN (SELECT identity FROM certificates)`},
	} {
		var n int
		require.NoError(t, db.QueryRow(never.query).Scan(&n), never.what)
		require.Zero(t, n, never.what)
	}
}

func serialsIn(t testing.TB, db *sql.DB) map[string]bool {
	rows, err := db.Query(`SELECT serial FROM certificates`)
	require.NoError(t, err)
	defer rows.Close()
	serials := map[string]bool{}
	for rows.Next() {
		var serial []byte
		require.NoError(t, rows.Scan(&serial))
		serials[hex.EncodeToString(serial)] = true
	}
	require.NoError(t, rows.Err())
	return serials
}
