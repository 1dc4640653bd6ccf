package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// ErrSetBack reports a log that is not the one that checkpoints were signed of: an
// older copy of the database was put back, or another one in its place. What was
// revoked since the copy was made would be good again, so the store does not open.
var ErrSetBack = errors.New("the database is not the one that was here, or is older than what was signed from it")

// A witness is a checkpoint that was signed before the store was opened.
type witness struct {
	checkpoint.Checkpoint
	where string
}

// witnesses returns the newest checkpoint in the store, and the newest in the
// evidence. They are to be read before the log's size: a replica may sign others
// meanwhile.
func (d *DB) witnesses(ctx context.Context) ([]witness, error) {
	key, err := d.VerifierKey()
	if err != nil {
		return nil, err
	}
	verifier, err := checkpoint.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	var all []witness
	switch stored, err := d.newestCheckpoint(ctx); {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, err
	default:
		c, err := checkpoint.Open(stored.Note, verifier)
		if err != nil || c.Size != stored.Size {
			return nil, fmt.Errorf("%w: its newest checkpoint, of %d entries, was edited", ErrSetBack, stored.Size)
		}
		all = append(all, witness{c, "its own checkpoint"})
	}
	end, err := openEnd(d.cfg.Evidence)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the evidence: %w", err)
	}
	defer end.Close()
	c, ok, err := audit.Newest(end, verifier)
	if ok {
		all = append(all, witness{c, "the evidence in " + d.cfg.Evidence})
	}
	return all, err
}

// contradictedBy returns why the log does not begin with what some witness has seen;
// nil if it does. It reads a few tiles, at any size.
func (l *auditLog) contradictedBy(ctx context.Context, all []witness, source *AuditSource) (why, err error) {
	for _, w := range all {
		err := audit.Extends(ctx, source, l.tree, w.Checkpoint)
		if _, ok := errors.AsType[*audit.TamperError](err); ok {
			return fmt.Errorf("%s: %w", w.where, err), nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// stand returns an error unless the store may sign where it is, or is opened to be
// recovered.
func (d *DB) stand() error {
	why := d.log.contradiction
	d.seen.Contradicted = why != nil
	standing := Judge(d.said, d.seen)
	switch {
	case standing == Serves && d.seen.ID != d.said.ID:
		d.cfg.Log.Info("the store was recovered elsewhere", "was", d.seen.ID, "is", d.said.ID)
		return WriteID(d.cfg.IDFile, d.said.ID)
	case standing == Serves || d.cfg.Recover:
		return nil
	case why == nil && standing == Foreign:
		why = fmt.Errorf("it is the store %s, and %s says that %s was here", d.said.ID, d.cfg.IDFile, d.seen.ID)
	case why == nil && standing == SetBack:
		why = errors.New("a revocation list showed it")
	case standing == Restored:
		return fmt.Errorf("%w: nothing is signed until it is recovered: betonicad recover", ErrRestored)
	}
	return fmt.Errorf("%w: %w; put back the newest database, or go on from this one with betonicad recover", standing.err(), why)
}

// exists returns [ErrNoStore] if there is no file that is an SQLite store: opening it would
// make an empty one.
func (c Config) exists() error {
	file, ok := strings.CutPrefix(c.DSN, "sqlite:")
	if !ok {
		return nil
	}
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: %w: %w", err, ErrNoStore)
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// evidenceEnd is how much of the evidence is read: some hundred notes, of which
// the last count.
const evidenceEnd = 64 << 10

// openEnd opens a file at its last 64 KiB. No name is a file that does not exist.
func openEnd(name string) (*os.File, error) {
	if name == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Seek(max(0, info.Size()-evidenceEnd), io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
