package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// An Inspection looks at a store in whatever state it is, whether a daemon has it
// open or not. It writes nothing, and makes no daemon wait.
type Inspection struct {
	Log
	still string // SQLite: what is not there as long as nobody writes; empty: somebody may
}

// Inspect opens a store to be looked at. The errors are those of [OpenLog].
func Inspect(ctx context.Context, cfg Config) (*Inspection, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	i := &Inspection{}
	path, ok := strings.CutPrefix(cfg.DSN, "sqlite:")
	var e engine
	var err error
	if ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		options := "mode=ro&_query_only=true&_busy_timeout=2000"
		// Without a write-ahead log nobody has the file open. SQLite would make one, and
		// leave it behind, unless it is told that nobody will.
		if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
			options, i.still = options+"&immutable=1", path+"-wal"
		}
		e = &sqlite{path: path, cfg: cfg, read: openFile(path, options, ``)} // that cannot write
	} else if e, err = openEngine(ctx, cfg); err != nil {
		return nil, err
	}
	i.db = &DB{cfg: cfg, engine: e, reads: e.reader()}
	if err := i.checkSchema(ctx); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// Close closes the store.
func (i *Inspection) Close() error {
	if e, ok := i.db.engine.(*sqlite); ok {
		return e.read.Close()
	}
	return i.Log.Close()
}

// Disturbed says whether somebody opened the SQLite file for writing meanwhile: what
// was found out since it was still does not count then.
func (i *Inspection) Disturbed() bool {
	if i.still == "" {
		return false
	}
	_, err := os.Stat(i.still)
	return err == nil
}

// Damage has SQLite read its whole file, and returns the first things that are wrong
// with it; checked is false on PostgreSQL, which looks after its files itself. With
// deep the indexes are held against their tables, too, which takes several times as
// long. It ends when ctx does, with its error.
func (i *Inspection) Damage(ctx context.Context, deep bool) (found []string, checked bool, err error) {
	if i.db.Shared() {
		return nil, false, nil
	}
	pragma := `PRAGMA quick_check(5)`
	if deep {
		pragma = `PRAGMA integrity_check(5)`
	}
	rows, err := i.db.reads.db.QueryContext(ctx, pragma)
	if err != nil {
		return nil, true, i.db.engine.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return found, true, i.db.engine.explain(err)
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	if ctx.Err() != nil {
		return found, true, context.Cause(ctx)
	}
	return found, true, i.db.engine.explain(rows.Err())
}

// Newest returns when the newest entry of the log was made, and its number. A log
// without any is [ErrNotFound].
func (i *Inspection) Newest(ctx context.Context) (at time.Time, seq int64, err error) {
	var ms int64
	if err := i.db.reads.row(ctx, `SELECT at, seq FROM audit ORDER BY seq DESC LIMIT 1`, nil, &ms, &seq); err != nil {
		return time.Time{}, 0, fmt.Errorf("reading the newest entry: %w", err)
	}
	return fromMillis(ms), seq, nil
}

// Lists returns the lists that were published last, without their bytes.
func (i *Inspection) Lists(ctx context.Context) ([]CRL, error) {
	rows, err := i.db.reads.query(ctx, `SELECT issuer, kind, number, base, this_update, next_update FROM crls ORDER BY issuer, kind`)
	if err != nil {
		return nil, fmt.Errorf("reading what lists there are: %w", err)
	}
	defer rows.Close()
	var all []CRL
	for rows.Next() {
		var c CRL
		var this, next int64
		if err := rows.Scan(&c.Issuer, &c.Kind, &c.Number, &c.Base, &this, &next); err != nil {
			return nil, fmt.Errorf("reading what lists there are: %w", err)
		}
		c.ThisUpdate, c.NextUpdate = fromMillis(this), fromMillis(next)
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading what lists there are: %w", err)
	}
	return all, nil
}

// Replicas returns the daemons on the database: see [DB.Replicas]. Of an SQLite store
// there are none to be seen.
func (i *Inspection) Replicas(ctx context.Context) ([]ReplicaStatus, error) {
	if !i.db.Shared() {
		return nil, nil
	}
	return i.db.Replicas(ctx)
}

// CRLNumber returns the greatest CRL number that was taken or reserved.
func (i *Inspection) CRLNumber(ctx context.Context) (int64, error) { return i.db.CRLNumber(ctx) }

// Standing judges the store as [Open] does, and says what contradicts it, if
// something does.
func (i *Inspection) Standing(ctx context.Context) (_ Standing, contradiction, err error) {
	d := i.db
	id, pending, err := readID(d.cfg.IDFile)
	if err != nil {
		return "", nil, err
	}
	if err := d.readSaid(ctx); err != nil {
		return "", nil, err
	}
	if d.cfg.IDFile == "" || pending && (d.said.ID == "" || d.said.ID == id) {
		id = d.said.ID
	}
	d.seen.ID = id
	witnesses, err := d.witnesses(ctx)
	if errors.Is(err, ErrSetBack) {
		return SetBack, err, nil
	}
	if err != nil {
		return "", nil, err
	}
	source, err := d.AuditSource(ctx)
	if err != nil {
		return "", nil, err
	}
	var log auditLog
	if log.tree, err = audit.LoadTree(ctx, source, source.size); err != nil {
		return "", nil, err
	}
	if contradiction, err = log.contradictedBy(ctx, witnesses, source); err != nil {
		return "", nil, err
	}
	d.seen.Contradicted = contradiction != nil
	return Judge(d.said, d.seen), contradiction, nil
}
