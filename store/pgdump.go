package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// backup runs pg_dump. It must be there: a schema is not changed without a way
// back unless the operator says, with [Config.NoBackup], that there is one. The
// connection's password goes by the environment, never by the command line. Nonces
// stay out: a store that was restored begins an epoch of its own.
func (e *postgres) backup(ctx context.Context, dir, name string) (string, error) {
	dump, err := exec.LookPath("pg_dump")
	if err != nil {
		return "", errors.New("pg_dump is not installed: install PostgreSQL's client programs, or back up by other means and migrate without")
	}
	if err := os.MkdirAll(filepath.Clean(dir), 0o700); err != nil {
		return "", err
	}
	size, err := e.dumpSize(ctx)
	if err != nil {
		return "", err
	}
	return inPart(dir, name+".dump", func(f *os.File) error {
		if err := roomToCopy(dir, size); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, dump, "--format=custom", "--no-unlogged-table-data", "--no-password", "--dbname="+e.withoutPassword())
		cmd.Env = append(os.Environ(), "PGPASSWORD="+e.conf.Password)
		cmd.Stdout = f
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("pg_dump: %w: %.500s", err, complaint.Bytes())
		}
		return nil
	})
}

// dumpSize is about how many bytes a dump has: what the tables take without their
// indexes. What is sealed does not compress, and is most of them.
func (e *postgres) dumpSize(ctx context.Context) (uint64, error) {
	var size int64
	err := e.read.QueryRowContext(ctx, `
		SELECT COALESCE(SUM(pg_table_size(c.oid)), 0)::BIGINT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`).Scan(&size)
	return uint64(size), e.explain(err)
}

// withoutPassword returns the data source as libpq takes it, without the password
// and the options of our own driver's pool.
func (e *postgres) withoutPassword() string {
	u, err := url.Parse(e.cfg.DSN)
	if err != nil {
		return "" // it was opened: it parses
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	options := u.Query()
	for name := range options {
		if strings.HasPrefix(name, "pool_") || name == "password" {
			options.Del(name)
		}
	}
	u.RawQuery = options.Encode()
	return u.String()
}
