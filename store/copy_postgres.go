package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/jackc/pgx/v5/stdlib"
)

// copyDump runs pg_dump on a snapshot that a connection of ours holds, so that what is
// read beside it is of the same moment.
func (e *postgres) copyDump(ctx context.Context, scratch string, progress Progress) (_ *Copy, _ *sql.Conn, err error) {
	dump, err := exec.LookPath("pg_dump")
	if err != nil {
		return nil, nil, errors.New("pg_dump is not installed: install PostgreSQL's client programs")
	}
	db := stdlib.OpenDB(*e.conf)
	conn, err := db.Conn(ctx) // in whose transaction everything is read
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	end := func() error { return errors.Join(conn.Close(), db.Close()) }
	f, err := os.CreateTemp(scratch, copyPattern)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), end())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, nil, err
	}
	if _, err := conn.ExecContext(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`); err != nil {
		return nil, nil, err
	}
	if _, err := conn.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil { // it is idle while pg_dump runs
		return nil, nil, err
	}
	var snapshot string
	var about int64
	if err := conn.QueryRowContext(ctx, `SELECT pg_export_snapshot(), pg_database_size(current_database())`).Scan(&snapshot, &about); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, dump, "--format=custom", "--no-unlogged-table-data", "--no-owner", "--no-privileges",
		"--snapshot="+snapshot, "--no-password", "--dbname="+e.withoutPassword())
	out := &counted{w: f, about: about, progress: progress}
	if err := e.client(cmd, nil, out); err != nil {
		return nil, nil, err
	}
	return &Copy{
		Facts: Facts{Engine: "postgres"}, file: f, size: out.n, end: end,
		check: func(ctx context.Context) error { return wholeDump(ctx, io.NewSectionReader(f, 0, out.n)) },
	}, conn, nil
}

// client runs one of PostgreSQL's programs. The password goes by the environment.
func (e *postgres) client(cmd *exec.Cmd, in io.Reader, out io.Writer) error {
	cmd.Env = append(os.Environ(), "PGPASSWORD="+e.conf.Password)
	cmd.Stdin, cmd.Stdout = in, out
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %.500s", cmd.Args[0], err, bytes.TrimSpace(complaint.Bytes()))
	}
	return nil
}

// wholeDump has pg_restore read the dump's table of contents.
func wholeDump(ctx context.Context, dump io.Reader) error {
	restore, err := exec.LookPath("pg_restore")
	if err != nil {
		return errors.New("pg_restore is not installed: install PostgreSQL's client programs")
	}
	cmd := exec.CommandContext(ctx, restore, "--list")
	cmd.Stdin = dump
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the dump cannot be read: %w: %.500s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return nil
}

// counted tells how much went through.
type counted struct {
	w        io.Writer
	n, about int64
	progress Progress
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.progress(c.n, max(c.about, c.n))
	return n, err
}
