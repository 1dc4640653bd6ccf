package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// segmentWaits is how much older than it must be an entry gets before a segment that is
// not full is written for its sake: a log that grows slowly goes into a file a month.
const segmentWaits = 30 * day

// ArchiveLog moves entries of the log that are older than the retention says from the
// database into the archive, a segment after the other, each in this order:
//
//  1. a file of another name is written, and synced
//  2. it gets its name, and the folder is synced
//  3. it is read back, and verified against its checkpoint
//  4. it is put on record, with an entry of the log that has its digest
//  5. the rows go, in small batches
//
// Whatever stops it, nothing is lost: before step 4 the rows are the log, and the file
// is written once more; after it the file is, and rows that are still there go the next
// time. Tiles, checkpoints and wrapped data keys stay in the database. Without a folder
// it does nothing.
func (d *DB) ArchiveLog(ctx context.Context, now time.Time) error {
	if d.keep.Archive == "" {
		return nil
	}
	for {
		a, err := d.archiver(ctx, now)
		if err != nil {
			return fmt.Errorf("archiving the log: %w", err)
		}
		if err := a.forget(ctx); err != nil { // what a run before left
			return fmt.Errorf("removing archived entries: %w", err)
		}
		if a.last < a.first {
			return nil
		}
		for _, step := range []func(context.Context) error{a.write, a.name, a.verify, a.record, a.forget} {
			if err := step(ctx); err != nil {
				return fmt.Errorf("archiving entries %d to %d: %w", a.first, a.last, err)
			}
		}
	}
}

// An archiver makes one segment; each step may follow a crash after the one before it.
type archiver struct {
	db          *DB
	source      *AuditSource
	first, last int64 // of the segment; there is none if last is less
	signed      audit.SignedCheckpoint
	file        string // the name that it gets
	done        Segment
}

// archiver says what the next segment is.
func (d *DB) archiver(ctx context.Context, now time.Time) (*archiver, error) {
	source, err := d.AuditSource(ctx)
	if err != nil {
		return nil, err
	}
	a := &archiver{db: d, source: source, first: source.Archived() + 1, last: source.Archived()}
	limit := now.Add(-d.keep.Audit)
	due, err := a.due(ctx, limit)
	if err != nil || due < a.first {
		return a, err
	}
	if due-a.first+1 < audit.SegmentWidth {
		rows, err := source.rows(ctx, a.first-1, a.first, 1)
		if err != nil || len(rows) == 0 || rows[0].At.After(limit.Add(-segmentWaits)) {
			return a, err
		}
	}
	page, err := source.Checkpoints(ctx, due-1, 1)
	if err != nil || len(page) == 0 { // soon there is one
		return a, err
	}
	a.last, a.signed = due, page[0]
	a.file = fmt.Sprintf("%012d-%012d.segment", a.first, a.last)
	return a, nil
}

// due returns the last entry of the whole tiles from first on, at most a segment of
// them, in which every entry is older than limit. The last row of all stays: the log
// goes on from there.
func (a *archiver) due(ctx context.Context, limit time.Time) (int64, error) {
	due := a.first - 1
	for due+audit.TileWidth < a.source.size && due-a.first+1 < audit.SegmentWidth {
		var young int64
		err := a.db.reads.row(ctx, `
			SELECT COUNT(*) FROM audit a WHERE a.seq > $1 AND a.seq <= $2 AND a.at >= $3`,
			[]any{due, due + audit.TileWidth, limit.UnixMilli()}, &young)
		if err != nil || young > 0 {
			return due, err
		}
		due += audit.TileWidth
	}
	return due, nil
}

// write is step 1.
func (a *archiver) write(ctx context.Context) error {
	if err := os.MkdirAll(a.db.keep.Archive, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(a.path(unfinished), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = audit.WriteSegment(ctx, f, a.source, a.first, a.last, a.signed)
	return errors.Join(err, f.Sync(), f.Close())
}

const unfinished = ".unfinished"

func (a *archiver) path(suffix string) string {
	return filepath.Join(a.db.keep.Archive, a.file+suffix)
}

// name is step 2. There is no file of that name on record.
func (a *archiver) name(context.Context) error {
	if err := os.Rename(a.path(unfinished), a.path("")); err != nil {
		return err
	}
	return errors.Join(syncDir(a.db.keep.Archive), syncDir(filepath.Dir(a.db.keep.Archive)))
}

// verify is step 3.
func (a *archiver) verify(context.Context) error {
	verifier, err := a.db.verifier()
	if err != nil {
		return err
	}
	f, err := os.Open(a.path(""))
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	head, err := audit.VerifySegment(io.TeeReader(f, hash), verifier)
	if err != nil {
		return fmt.Errorf("reading back %s: %w", a.file, err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a.done = Segment{First: head.First, Last: head.Last, File: a.file, Bytes: info.Size(), Digest: [sha256.Size]byte(hash.Sum(nil))}
	if a.done.First != a.first || a.done.Last != a.last {
		return fmt.Errorf("%s holds the entries %d to %d", a.file, head.First, head.Last)
	}
	return nil
}

func (d *DB) verifier() (note.Verifier, error) {
	key, err := d.VerifierKey()
	if err != nil {
		return nil, err
	}
	return checkpoint.NewVerifier(key)
}

// record is step 4. Of two archivers one gets here.
func (a *archiver) record(ctx context.Context) error {
	s := a.done
	return a.db.Update(ctx, func(tx *Tx) audit.Event {
		tx.demand(1, ErrExists, `
			INSERT INTO audit_segments (last, first, file, bytes, digest, added_at)
			SELECT $1, $2, $3, $4, $5, $6
			WHERE $2 = (SELECT COALESCE(MAX(g.last), 0) + 1 FROM audit_segments g)
			ON CONFLICT (last) DO NOTHING`,
			s.Last, s.First, s.File, s.Bytes, s.Digest[:], tx.millis())
		return audit.Event{Action: "audit.archive", Actor: self, Subject: self, Outcome: "ok", Detail: map[string]any{
			"first": s.First, "last": s.Last, "file": s.File, "bytes": s.Bytes, "sha256": fmt.Sprintf("%x", s.Digest),
		}}
	})
}

const forgetRows = `DELETE FROM audit WHERE seq >= $1 AND seq <= $2`

// forget is step 5: it removes the rows of all that is on record.
func (a *archiver) forget(ctx context.Context) error {
	segments, err := a.db.Segments(ctx)
	if err != nil || len(segments) == 0 {
		return err
	}
	last := segments[len(segments)-1].Last
	var next int64
	if err := a.db.reads.row(ctx, `SELECT COALESCE(MIN(seq), 0) FROM audit`, nil, &next); err != nil {
		return err
	}
	for pace := (pace{}); next <= last && next > 0; {
		to := min(last, next+int64(pace.batch())-1)
		began := time.Now()
		if err := a.db.Relaxed(ctx, func(tx *RelaxedTx) {
			tx.demand(anyRows, nil, forgetRows, next, to)
		}); err != nil {
			return err
		}
		next = to + 1
		if err := pace.rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}
