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
	file := filepath.Join(dir, name+".dump")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, dump, "--format=custom", "--no-unlogged-table-data", "--no-password", "--dbname="+e.withoutPassword())
	cmd.Env = append(os.Environ(), "PGPASSWORD="+e.conf.Password)
	cmd.Stdout = f
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return "", errors.Join(fmt.Errorf("pg_dump: %w: %.500s", err, complaint.Bytes()), f.Close(), os.Remove(file))
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return "", err
	}
	return file, syncDir(filepath.Dir(file))
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
