package store

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// NewestSchema is the schema that this program writes: a copy of a newer one is not for
// it.
func NewestSchema() int {
	steps, err := migrations(schemas, (&sqlite{}).schema()) // the engines have the same numbers
	if err != nil {
		panic(err) // they are part of the program
	}
	return steps[len(steps)-1].number
}

// RestoreFile makes a store of an SQLite copy that lies where it is to stay. From then
// on the store says of itself that it was restored, and does not open but to be
// recovered. from is of what, for people.
func RestoreFile(ctx context.Context, path, from string) (err error) {
	db := openFile(path, "mode=rw&_journal_mode=DELETE&_synchronous=FULL&_busy_timeout=0", ``)
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close(), syncDir(filepath.Dir(path))) }()
	if _, err := db.ExecContext(ctx, markRestored, metaRestored, []byte(from)); err != nil {
		return fmt.Errorf("marking the restored database: %w", err)
	}
	return nil
}

const markRestored = `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`

// RestoreDump is RestoreFile for what pg_dump wrote, into the empty PostgreSQL database
// of dsn. All of it is restored in one transaction: with an error the database is as it
// was, unless only the mark could not be set, which the error says.
func RestoreDump(ctx context.Context, dsn, dump, from string) error {
	restore, err := exec.LookPath("pg_restore")
	if err != nil {
		return errors.New("pg_restore is not installed: install PostgreSQL's client programs")
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return errors.New("the data source is not a postgres:// URL")
	}
	conf, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errors.New("the data source is malformed: want postgres://user@host/database") // err may quote the password
	}
	if err := approvedAuth(conf); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var tables int
	if err := conn.QueryRow(ctx, `SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return fmt.Errorf("the database %q is not empty: make an empty one with createdb", conf.Database)
	}
	e := &postgres{cfg: Config{DSN: dsn}, conf: conf}
	cmd := exec.CommandContext(ctx, restore, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password", "--dbname="+e.withoutPassword(), dump)
	if err := e.client(cmd, nil, nil); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, markRestored, metaRestored, []byte(from)); err != nil {
		return fmt.Errorf("the database %q was restored, but not marked so; drop it and begin again: %w", conf.Database, err)
	}
	return nil
}
