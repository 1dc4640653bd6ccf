package storetest

import (
	"os"
	"path/filepath"
	"testing"
)

// EachEngine runs f as a subtest for each engine, with the data source of an
// empty database.
func EachEngine(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t).Database(t)) })
}

// SQLite returns the data source of a file that does not exist yet.
func SQLite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "betonica.db") }

// LeaveOut skips the test and says what it lacks; with CI=true it fails, because
// there nothing is left out.
func LeaveOut(t testing.TB, lacks string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI leaves nothing out: %s", lacks)
	}
	t.Skipf("left out: %s", lacks)
}
