package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// A Copy is the store as it was at one moment, with the bytes that bring it back: an
// SQLite file, or what pg_dump writes. It is made beside a daemon that runs, which is
// not held up by it, and lies in a file without a name, so that nothing is left of it
// whatever becomes of this process.
//
// Its [Log] is that of the moment, too: what is verified is what was copied.
type Copy struct {
	*Log
	Facts
	file  *os.File
	size  int64
	check func(context.Context) error
	end   func() error
}

// Facts are what a copy says of itself.
type Facts struct {
	Engine    string // "sqlite" or "postgres"
	Schema    int
	ID        string // the store's name
	CRLNumber int64  // the greatest that was taken or reserved

	Entries    int64     // of the log
	Root       string    // over them, in base64
	Newest     time.Time // when the last was made; zero: there is none
	Checkpoint string    // the newest signed; empty: none
}

// Progress is told how many bytes of about how many were copied.
type Progress func(done, total int64)

// MakeCopy copies the store that cfg names. The bytes lie in the folder scratch, which
// must have room for them: [ErrDiskFull] comes before anything is copied that would
// leave less than twice the ballast free. A store of another schema than this program's
// is an error, as for [OpenLog].
func MakeCopy(ctx context.Context, cfg Config, scratch string, progress Progress) (_ *Copy, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	if err := cfg.exists(); err != nil {
		return nil, err
	}
	sweepCopies(scratch)
	e, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	var c *Copy
	var conn *sql.Conn
	switch e := e.(type) {
	case *sqlite:
		c, conn, err = e.copyFile(ctx, scratch, progress)
	case *postgres:
		c, conn, err = e.copyDump(ctx, scratch, progress)
	default:
		err = errors.New("store: an engine that cannot be copied")
	}
	if err != nil {
		return nil, fmt.Errorf("copying the store: %w", err)
	}
	c.Log = &Log{&DB{cfg: cfg, keep: cfg.Retention.orDefaults(), engine: e, reads: &reads{engine: within{e, conn}}}}
	if err = c.look(ctx); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// copyPattern names the file of a copy for the moment that it has a name.
const copyPattern = ".betonica-copy-*"

// sweepCopies removes what is left of copies whose process was killed at that moment.
func sweepCopies(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, copyPattern))
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > time.Minute {
			os.Remove(path) // or the next one does
		}
	}
}

// within is an engine of which all that is read is read on one connection.
type within struct {
	engine
	conn *sql.Conn
}

func (w within) prepare(_ context.Context, _ *sql.DB, query string) (statement, error) {
	return onConn{w.conn, query}, nil
}

type onConn struct {
	conn  *sql.Conn
	query string
}

func (s onConn) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args...)
}

// look reads the facts.
func (c *Copy) look(ctx context.Context) error {
	if err := c.checkSchema(ctx); err != nil {
		return err
	}
	d := c.db
	if err := d.readSaid(ctx); err != nil {
		return err
	}
	if d.said.Restored || d.said.Behind {
		return fmt.Errorf("%w: recover it before it is backed up: betonicad recover", ErrRestored)
	}
	c.ID, c.CRLNumber = d.said.ID, d.said.CRLNumber
	if err := d.reads.row(ctx, `SELECT COALESCE(MAX(number), 0) FROM migrations`, nil, &c.Schema); err != nil {
		return fmt.Errorf("reading the schema's number: %w", err)
	}
	source, err := c.Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	tree, err := audit.LoadTree(ctx, source, source.size)
	if err != nil {
		return err
	}
	hash := tree.Hash()
	c.Entries, c.Root = tree.Size(), base64.StdEncoding.EncodeToString(hash[:])
	if c.Newest, err = d.newestEntry(ctx); err != nil {
		return err
	}
	signed, err := d.newestCheckpoint(ctx)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	c.Checkpoint = signed.Note
	return err
}

// newestEntry returns when the log's last entry was made, and the zero time if it has
// none.
func (d *DB) newestEntry(ctx context.Context) (time.Time, error) {
	var at int64
	err := d.reads.row(ctx, `SELECT a.at FROM audit a WHERE a.seq = (SELECT MAX(seq) FROM audit)`, nil, &at)
	if isNotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the log's last entry: %w", err)
	}
	return fromMillis(at), nil
}

// Check says whether the copy is whole as its engine sees it. That the log in it is the
// one that was signed is for [audit.Verify] to say.
func (c *Copy) Check(ctx context.Context) error { return c.check(ctx) }

// Size is how many bytes the copy has.
func (c *Copy) Size() int64 { return c.size }

// Bytes returns the copy from its beginning. It may be called again.
func (c *Copy) Bytes() io.Reader { return io.NewSectionReader(c.file, 0, c.size) }

// Close lets the copy go, and its disk space with it.
func (c *Copy) Close() error { return errors.Join(c.end(), c.file.Close(), c.db.engine.close()) }
