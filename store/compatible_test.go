package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// newer migrates the store as a program with one migration more would, which expands
// the schema or contracts it.
func newer(t *testing.T, cfg Config, contracts bool) error {
	cfg.Replica = Replica{Name: "new", Version: "v2.0.0"}
	e, steps := nextSchema(t, cfg, `CREATE TABLE next (x BIGINT);`)
	steps[len(steps)-1].contracts = contracts
	return migrateTo(t.Context(), e, cfg, steps)
}

// What a newer program has expanded, an older one goes on with, and opens, and reads.
func TestSchemaExpands(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d := named(t, dsn, "old")
		must(t, d, func(*Tx) {})
		if !d.Shared() {
			require.NoError(t, d.Close()) // nobody else may have it open
		}
		require.NoError(t, newer(t, d.cfg, false))
		if d.Shared() {
			must(t, d, func(*Tx) {})
			require.False(t, d.Lapsed())
		}
		other := named(t, dsn, "older")
		must(t, other, func(*Tx) {})
		log, err := OpenLog(t.Context(), d.cfg)
		require.NoError(t, err)
		require.NoError(t, log.Close())
		require.NoError(t, d.Health())
	})
}

// What a newer program has contracted, an older one refuses, and says which version
// it takes.
func TestSchemaContracts(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d := named(t, dsn, "old")
		require.NoError(t, d.Close())
		require.NoError(t, newer(t, d.cfg, true))
		_, err := Open(t.Context(), d.cfg)
		require.ErrorIs(t, err, ErrNewerSchema)
		require.ErrorContains(t, err, "run version v2.0.0")
		_, err = OpenLog(t.Context(), d.cfg)
		require.ErrorIs(t, err, ErrNewerSchema)
	})
}

// A schema is not contracted while a replica is there that could not go on: it is
// named, and nothing has changed.
func TestSchemaContractsForAll(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	d := named(t, dsn, "old")
	err := newer(t, d.cfg, true)
	require.ErrorIs(t, err, ErrOlderReplica)
	require.ErrorContains(t, err, `"old", version "v1.2.3"`)
	require.Error(t, d.reads.row(t.Context(), `SELECT x FROM next`, nil, new(int)))
	must(t, d, func(*Tx) {})
	require.NoError(t, d.Close())
	require.NoError(t, newer(t, d.cfg, true))
}

// A replica that was away while the schema was contracted does not come back: it
// writes nothing, says why, and has no lease.
func TestSchemaContractsMeanwhile(t *testing.T) {
	for name, mend := range map[string]func(*proxy){
		"on the same connection": (*proxy).resume,
		"on another": func(p *proxy) {
			p.cut()
			p.resume()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := storetest.Postgres(t).Database(t)
			p, through := newProxy(t, dsn)
			defer p.resume()
			old := named(t, through, "old")
			cfg := old.cfg
			cfg.DSN = dsn
			p.stall()
			require.Eventually(t, func() bool {
				err := newer(t, cfg, true)
				require.True(t, err == nil || errors.Is(err, ErrOlderReplica), "%v", err)
				return err == nil
			}, 30*time.Second, 50*time.Millisecond)
			mend(p)
			require.Eventually(t, func() bool { return errors.Is(old.Health(), ErrNewerSchema) }, 30*time.Second, 5*time.Millisecond)
			require.ErrorIs(t, update(old, func(*Tx) {}), ErrNewerSchema)
			require.True(t, old.Lapsed())
			require.True(t, strings.Contains(old.Health().Error(), "contracted"))
		})
	}
}

// Each migration says in its first line what it means for programs of before.
func TestMigrationKinds(t *testing.T) {
	for text, want := range map[string]bool{"-- expand: a table.\n": false, "-- contract: a table.\n": true} {
		got, err := contracts(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "CREATE TABLE a (b BIGINT);", "-- a table", "\n-- expand: a table", "-- expand"} {
		_, err := contracts(text)
		require.Error(t, err)
	}
}
