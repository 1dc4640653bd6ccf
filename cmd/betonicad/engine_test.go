package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// On PostgreSQL a CA is made, served and verified as on SQLite; a database that
// holds one already takes no second.
func TestPostgres(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t).Database(t)
	dir := newCA(t, "--dsn", dsn)
	require.NoFileExists(t, layout(dir).database())
	d := start(t, dir)
	m := newMachine(t, d)
	m.enrol("device", "SN-1")
	require.NoError(t, d.stop())
	report, _, err := try(t, "audit", "verify", "--dir", dir)
	require.NoError(t, err)
	require.Contains(t, report, "verified")

	other := filepath.Join(t.TempDir(), "ca")
	_, _, err = try(t, "init", "--dir", other, "--trust-domain", "hospital.example", "--dsn", dsn)
	require.ErrorContains(t, err, "a database of its own is needed")
	require.Empty(t, names(t, filepath.Dir(other)))
}
