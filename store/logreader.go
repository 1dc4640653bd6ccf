package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/betonica/betonica/store/audit"
)

// A Log is the audit log of a store, opened to be verified: whatever state it is
// in, and whether a daemon has the store open or not. It writes nothing.
type Log struct{ db *DB }

// OpenLog opens the log of the store that cfg names. It migrates nothing: a store
// of an older schema is an error, and [ErrNewerSchema] one that this program cannot
// read.
func OpenLog(ctx context.Context, cfg Config) (*Log, error) {
	if err := cfg.exists(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	engine, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l := &Log{&DB{cfg: cfg, engine: engine, reads: engine.reader()}}
	if err := l.checkSchema(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Log) checkSchema(ctx context.Context) error {
	steps, err := migrations(schemas, l.db.engine.schema())
	if err != nil {
		return err
	}
	var have int
	if err := l.db.reads.row(ctx, `SELECT COALESCE(MAX(number), 0) FROM migrations`, nil, &have); err != nil {
		return fmt.Errorf("reading the schema's number: %w", err)
	}
	switch last := steps[len(steps)-1].number; {
	case have > last:
		return mayFollow(ctx, l.db.reads.row, l.db.cfg, have, last)
	case have < last:
		return fmt.Errorf("store: schema %d is older than this program's, %d: start the daemon once, which migrates it", have, last)
	}
	return nil
}

// Source returns the log as it is now, and on the disk.
func (l *Log) Source(ctx context.Context) (*AuditSource, error) {
	source, err := l.db.AuditSource(ctx)
	if err != nil {
		return nil, err
	}
	return source, l.db.engine.synced()
}

// Keyring returns what opens the log's entries.
func (l *Log) Keyring(ctx context.Context) (*audit.Keyring, error) {
	keys, err := l.db.readDataKeys(ctx)
	if err != nil {
		return nil, err
	}
	return keyringOf(keys), nil
}

// VerifierKey returns the public key of the log's checkpoints, as package
// checkpoint reads it.
func (l *Log) VerifierKey() (string, error) { return l.db.VerifierKey() }

// Close closes the log.
func (l *Log) Close() error { return errors.Join(l.db.reads.close(), l.db.engine.close()) }
