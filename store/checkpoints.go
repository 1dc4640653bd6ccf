package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

const (
	checkpointEvery = time.Minute // when the log has changed
	checkpointIdle  = time.Hour   // when it has not
)

// Run keeps the store well until ctx is done, and then returns nil: it signs a
// checkpoint of the log every minute in which the log changed, hourly if it did
// not, and once more at the end; it keeps SQLite's write-ahead log short; and it
// removes what ACME has left behind and what has left its retention. Without Run the store works, but its log is not
// signed. Run once.
func (d *DB) Run(ctx context.Context) error {
	maintained := make(chan error, 1)
	go func() { maintained <- d.engine.maintain(ctx) }()
	pruned := make(chan struct{})
	go func() {
		defer close(pruned)
		d.upkeep(ctx)
	}()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.watchStanding(ctx)
	}()
	ticker := time.NewTicker(checkpointEvery)
	defer ticker.Stop()
	for {
		if _, err := d.SignCheckpoint(ctx); err != nil && ctx.Err() == nil && d.Stopped() == nil {
			d.cfg.Log.Error("the log's checkpoint was not signed", "error", err)
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_, err := d.SignCheckpoint(last)
		if d.Stopped() != nil {
			err = nil // Health says so
		}
		<-pruned
		<-watched
		return errors.Join(err, <-maintained)
	}
}

// SignCheckpoint returns a signed checkpoint of the log as it is: the latest one
// if nothing has changed since, and it is less than an hour old.
//
// A checkpoint counts, which means that anyone gets to see it, once it is in the
// store and, fsynced, in the evidence file.
func (d *DB) SignCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	l := d.log
	l.signing.Lock()
	defer l.signing.Unlock()
	if err := d.Stopped(); err != nil {
		return audit.SignedCheckpoint{}, err
	}
	tree, now := l.head.Load(), d.cfg.Now().UTC()
	if last := l.signed.Load(); last != nil && last.Size == tree.Size() && now.Sub(last.At) < checkpointIdle {
		return *last, nil
	}
	note, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: d.cfg.Origin, Size: tree.Size(), Hash: tree.Hash()}, l.signer)
	if err != nil {
		return audit.SignedCheckpoint{}, err
	}
	signed := audit.SignedCheckpoint{Size: tree.Size(), At: fromMillis(now.UnixMilli()), Note: note}
	err = d.quiet(ctx, func(ctx context.Context, tx *AloneTx) error {
		tx.demand(1, ErrExists, `
			INSERT INTO checkpoints (size, at, note) VALUES ($1, $2, $3)
			ON CONFLICT (size) DO UPDATE SET at = excluded.at`,
			signed.Size, signed.At.UnixMilli(), signed.Note)
		return tx.err
	})
	if err != nil {
		return audit.SignedCheckpoint{}, fmt.Errorf("storing checkpoint of %d entries: %w", signed.Size, err)
	}
	if err := appendEvidence(d.cfg.Evidence, audit.EvidenceNote(note)); err != nil {
		return audit.SignedCheckpoint{}, fmt.Errorf("writing checkpoint of %d entries to the evidence: %w", signed.Size, err)
	}
	l.signed.Store(&signed)
	return signed, nil
}

// LatestCheckpoint returns the newest checkpoint that counts, or [ErrNotFound] if
// none was ever signed.
func (d *DB) LatestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	if signed := d.log.signed.Load(); signed != nil {
		return *signed, nil
	}
	return d.newestCheckpoint(ctx)
}

func (d *DB) newestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	var c audit.SignedCheckpoint
	var at int64
	err := d.reads.row(ctx, `SELECT size, at, note FROM checkpoints ORDER BY size DESC LIMIT 1`, nil, &c.Size, &at, &c.Note)
	if err != nil {
		return audit.SignedCheckpoint{}, fmt.Errorf("reading the latest checkpoint: %w", err)
	}
	c.At = fromMillis(at)
	return c, nil
}

// appendEvidence appends to the evidence file and syncs it, and the folder if the
// file is new. An empty name keeps none.
func appendEvidence(name string, note []byte) error {
	if name == "" {
		return nil
	}
	_, missing := os.Stat(name)
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(note)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil || missing == nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes the names in a folder durable.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
