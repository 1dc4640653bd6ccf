package main

import (
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/store/storetest"
)

// A PostgreSQL with the defaults it comes with is well, with hints; settings that lose
// what was recorded fail, and others are told with what to do.
func TestDoctorDatabase(t *testing.T) {
	t.Parallel()
	dsn := storetest.Private(t).Database(t)
	d := layout(newCA(t, "--dsn", dsn))
	r := examined(t, d, 0)
	require.Equal(t, doctor.Skipped, found(t, r, "database").State, tableOf(r))
	requireFinding(t, r, "database", doctor.OK, "keeps what it is given", "")
	requireFinding(t, r, "database", doctor.OK, "max_wal_size is 1024 MiB and checkpoint_timeout 5m0s", "4GB")
	requireFinding(t, r, "database", doctor.OK, "wal_compression is off", "set wal_compression")

	alter(t, dsn, `ALTER SYSTEM SET max_wal_size = '4GB'`, `ALTER SYSTEM SET wal_compression = 'pglz'`, `ALTER SYSTEM SET checkpoint_timeout = '15min'`)
	require.Len(t, found(t, examined(t, d, 0), "database").Findings, 2, "well, and the disk")

	alter(t, dsn, `ALTER SYSTEM SET full_page_writes = off`, `ALTER SYSTEM SET autovacuum = off`, `ALTER SYSTEM SET synchronous_commit = off`,
		`CREATE ROLE guest LOGIN CONNECTION LIMIT 6`, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest`, `ALTER SYSTEM SET fsync = off`)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.User = url.User("guest")
	rewrite(t, d.config(), dsn, u.String())
	r = examined(t, d, 0)
	requireFinding(t, r, "database", doctor.Failed, "fsync is off", "set fsync to on")
	requireFinding(t, r, "database", doctor.Failed, "full_page_writes is off", "set full_page_writes to on")
	requireFinding(t, r, "database", doctor.Warning, "autovacuum is off", "set autovacuum")
	requireFinding(t, r, "database", doctor.Warning, "lets daemons have 6 connections", "max_connections")
	requireFinding(t, r, "database", doctor.OK, "synchronous_commit is off", "set synchronous_commit")
	requireFinding(t, r, "database", doctor.Skipped, "the disk of the server", "")
}

// alter changes a server's settings, and returns when the last of them is in force, which
// is of its form: all that are read anew are read at once.
func alter(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for _, s := range append(statements, `SELECT pg_reload_conf()`) {
		_, err := conn.Exec(t.Context(), s)
		require.NoError(t, err, s)
	}
	name, value, _ := strings.Cut(strings.TrimPrefix(statements[len(statements)-1], "ALTER SYSTEM SET "), " = ")
	value = strings.Trim(value, "'")
	require.Eventually(t, func() bool {
		fresh, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		defer fresh.Close(t.Context())
		var is string
		require.NoError(t, fresh.QueryRow(t.Context(), `SELECT current_setting($1)`, name).Scan(&is))
		return is == value
	}, 30*time.Second, 10*time.Millisecond)
}

// A file of before files could shrink is told of with what helps, and that helps.
func TestDoctorFileKeepsRoom(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		storetest.LeaveOut(t, "sqlite3 is not installed (Debian: sqlite3)")
	}
	d := wellCA(t)
	out, err := exec.Command("sqlite3", d.database(), "PRAGMA auto_vacuum = 0; VACUUM").CombinedOutput()
	require.NoError(t, err, string(out))
	r := examined(t, d, 0)
	requireFinding(t, r, "store", doctor.OK, "is whole", "")
	requireFinding(t, r, "store", doctor.OK, "does not shrink", "stop the daemon")
	require.Equal(t, doctor.OK, found(t, r, "store").State)

	out, err = exec.Command("sqlite3", d.database(), "CREATE TABLE ballast AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70) SELECT zeroblob(1 << 20) AS b FROM n; DROP TABLE ballast").CombinedOutput()
	require.NoError(t, err, string(out))
	r = examined(t, d, 0)
	requireFinding(t, r, "store", doctor.Warning, "70 MiB of it are free", "VACUUM")

	findings := found(t, r, "store").Findings
	_, command, ok := strings.Cut(findings[len(findings)-1].Do, "run: ")
	require.True(t, ok)
	out, err = exec.Command("sh", "-c", command).CombinedOutput()
	require.NoError(t, err, string(out))
	r = examined(t, d, 0)
	require.Len(t, found(t, r, "store").Findings, 1)
}
