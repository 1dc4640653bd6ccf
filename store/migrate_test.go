package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A store that a newer program has changed is refused, and left as it is.
func TestNewerSchema(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		cfg := d.cfg
		must(t, d, func(tx *Tx) {
			tx.demand(1, nil, `INSERT INTO migrations (number, name, applied_at) VALUES (9999, 'future', 0)`)
			tx.demand(1, nil, writeMeta, oldestKey, []byte("9999"))
			tx.demand(1, nil, writeMeta, programKey, []byte("v99.1"))
		})
		require.NoError(t, d.Close())
		_, err := Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrNewerSchema)
		require.Contains(t, err.Error(), "9999")
		require.Contains(t, err.Error(), "run version v99.1")
	})
}

// Before a migration changes a store that holds something there is a backup,
// from which the store as it was can be had again; without one there is no
// migration, unless the operator takes it upon himself.
func TestMigrationBacksUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		must(t, d, func(*Tx) {})
		cfg := d.cfg
		require.NoError(t, d.Close())
		e, steps := nextSchema(t, cfg, `CREATE TABLE next (x BIGINT); INSERT INTO next (x) VALUES (42);`)

		lost := cfg
		lost.BackupDir = "/proc/nowhere"
		require.Error(t, migrateTo(t.Context(), e, lost, steps))
		require.Error(t, e.reader().row(t.Context(), `SELECT x FROM next`, nil, new(int)))

		require.NoError(t, migrateTo(t.Context(), e, cfg, steps))
		var x int
		require.NoError(t, e.reader().row(t.Context(), `SELECT x FROM next`, nil, &x))
		require.Equal(t, 42, x)
		require.NoError(t, migrateTo(t.Context(), e, cfg, steps)) // nothing to do, no backup

		backups, err := filepath.Glob(filepath.Join(d.cfg.BackupDir, "*"))
		require.NoError(t, err)
		require.Len(t, backups, 1)
		info, err := os.Stat(backups[0])
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		restored := d.cfg
		restored.DSN = restore(t, backups[0])
		old := open(t, restored)
		require.EqualValues(t, 1, verify(t, old))
		require.Error(t, old.reads.row(t.Context(), `SELECT x FROM next`, nil, new(int)))
	})
}

// A store of the first schema that holds certificates is backed up and goes on with
// everything that it had, and with ACME.
func TestMigrationToACME(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		cfg.Log, cfg.Now = slog.New(slog.DiscardHandler), time.Now
		e, steps := nextSchema(t, cfg, "")
		require.NoError(t, migrateTo(t.Context(), e, cfg, steps[:1]))
		tx := &Tx{now: time.Now()}
		c, id := certificate("device/a"), TokenID{1}
		insertBeforeDevices(tx, "device/a")
		insertBeforeIssuers(tx, c)
		tx.demand(1, nil, `
			INSERT INTO tokens (id, hash, role, name, exact, max_uses, uses, expires_at, network, replaces, owner, created_by, created_at)
			VALUES ($1, $1, 'device', 'a', TRUE, 1, 0, 1, '', FALSE, '', '', 1)`, id[:])
		require.NoError(t, e.migration(t.Context(), func(ctx context.Context, s *session) error {
			for _, demand := range tx.demands {
				if err := s.meet(ctx, demand); err != nil {
					return err
				}
			}
			return nil
		}))

		works := func(d *DB) {
			got, err := d.Certificate(t.Context(), c.Serial)
			require.NoError(t, err)
			require.Equal(t, c.DER, got.DER)
			k, err := d.Token(t.Context(), id)
			require.NoError(t, err)
			require.Empty(t, k.Sealed)
			o, _ := order(t, d, account(t, d, "device/a"), AuthorizationValid)
			require.NoError(t, complete(d, o.ID))
			require.NoError(t, d.UseNonce(t.Context(), d.NewNonce()))
		}
		works(open(t, cfg))
		backups, err := filepath.Glob(filepath.Join(cfg.BackupDir, "betonica-schema0001-*"))
		require.NoError(t, err)
		require.Len(t, backups, 1)
		restored := config(t, restore(t, backups[0]))
		works(open(t, restored)) // which is migrated in its turn
		backups, err = filepath.Glob(filepath.Join(restored.BackupDir, "betonica-schema0001-*"))
		require.NoError(t, err)
		require.Len(t, backups, 1)
	})
}

// A store from before there were several issuers goes on: what it holds belongs to
// the issuer that its certificates name, whichever is recorded first.
func TestMigrationToIssuers(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		cfg.Log, cfg.Now = slog.New(slog.DiscardHandler), time.Now
		e, steps := nextSchema(t, cfg, "")
		require.NoError(t, migrateTo(t.Context(), e, cfg, steps[:2]))
		first := strings.Repeat("5a", 20)
		good, bad := certificate("device/a"), certificate("device/a")
		for _, c := range []*Certificate{&good, &bad} {
			c.Issuer = first
			head := []byte{0x30, 0x1f, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16, 0x80, 0x14}
			copy(c.DER[300:], append(head, bytes.Repeat([]byte{0x5a}, 20)...))
		}
		tx := &Tx{now: time.Now()}
		insertBeforeDevices(tx, "device/a")
		insertBeforeIssuers(tx, good)
		insertBeforeIssuers(tx, bad)
		tx.demand(1, nil, `
			INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number)
			VALUES ($1, 'device/a', 1, 1, $2, 1)`, bad.Serial[:], bad.NotAfter.UnixMilli())
		require.NoError(t, e.migration(t.Context(), func(ctx context.Context, s *session) error {
			for _, demand := range tx.demands {
				if err := s.meet(ctx, demand); err != nil {
					return err
				}
			}
			return nil
		}))

		d := open(t, cfg) // which records another issuer
		require.NoError(t, d.AddIssuer(t.Context(), first))
		got, err := d.Certificate(t.Context(), good.Serial)
		require.NoError(t, err)
		require.Equal(t, first, got.Issuer)
		since, err := d.RevokedSince(t.Context(), first, 0)
		require.NoError(t, err)
		require.Equal(t, []Serial{bad.Serial}, serialsOf(since))
		others, err := d.RevokedSince(t.Context(), issuer, 0)
		require.NoError(t, err)
		require.Empty(t, others)
	})
}

// insertBeforeIssuers records a certificate as the first schemas had it.
func insertBeforeIssuers(tx *Tx, c Certificate) {
	tx.demand(1, nil, `
		INSERT INTO certificates (serial, identity, not_before, not_after, spki, method, policy_version, der)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7)`,
		c.Serial[:], c.Identity, c.NotBefore.UnixMilli(), c.NotAfter.UnixMilli(), c.SPKI[:], c.Method, c.DER)
}

// nextSchema opens the engine as a program with one more migration would.
func nextSchema(t *testing.T, cfg Config, text string) (engine, []migration) {
	cfg.Log, cfg.Now = slog.New(slog.DiscardHandler), time.Now
	e, err := openEngine(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		e.reader().close()
		e.close()
	})
	steps, err := migrations(schemas, e.schema())
	require.NoError(t, err)
	return e, append(steps, migration{number: len(steps) + 1, name: "next", text: text})
}

// restore returns the data source of a backup.
func restore(t *testing.T, backup string) string {
	if filepath.Ext(backup) == ".db" {
		return "sqlite:" + backup
	}
	dsn := storetest.Postgres(t).Database(t)
	out, err := exec.Command("pg_restore", "--dbname="+dsn, backup).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dsn
}

// A migration that fails changes nothing.
func TestMigrationFails(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		cfg := d.cfg
		require.NoError(t, d.Close())
		e, steps := nextSchema(t, cfg, `CREATE TABLE next (x BIGINT); INSERT INTO nowhere (x) VALUES (42);`)
		require.Error(t, migrateTo(t.Context(), e, cfg, steps))
		require.Error(t, e.reader().row(t.Context(), `SELECT x FROM next`, nil, new(int)))
		must(t, open(t, cfg), func(*Tx) {})
	})
}

// Migrations are numbered without gaps, and both engines have the same.
func TestMigrations(t *testing.T) {
	sqlite, err := migrations(schemas, "schema/sqlite")
	require.NoError(t, err)
	postgres, err := migrations(schemas, "schema/postgres")
	require.NoError(t, err)
	require.Len(t, postgres, len(sqlite))
	for i := range sqlite {
		require.Equal(t, sqlite[i].name, postgres[i].name)
	}
	_, err = migrations(fstest.MapFS{"s/0001_a.sql": {}, "s/0003_b.sql": {}}, "s")
	require.Error(t, err)
}

// Two processes that open the same empty database both find it ready.
func TestOpenTogether(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		for _, err := range parallel(4, func(int) error {
			d, err := Open(context.Background(), cfg)
			if err != nil {
				return err
			}
			return errors.Join(update(d, func(*Tx) {}), d.Close())
		}) {
			require.NoError(t, err)
		}
		require.EqualValues(t, 4, verify(t, open(t, cfg)))
	})
}

// What cannot be opened says why, and does not repeat a password.
func TestOpenRefuses(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		other := d.cfg
		other.Keys = audit.NewKeys([32]byte{2})
		_, err := Open(t.Context(), other)
		require.ErrorContains(t, err, "log's key")
	})
	for _, dsn := range []string{"", "sqlite:", "mysql://u:hush@h/d", "postgres://u:hush@127.0.0.1:1/d", "postgres://u:hush@h:port/d", "sqlite:/no/such/folder/b.db"} {
		cfg := config(t, dsn)
		_, err := Open(t.Context(), cfg)
		require.Error(t, err, dsn)
		require.NotContains(t, err.Error(), "hush")
	}
}
