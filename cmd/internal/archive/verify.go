package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A Source is where the archive is read: a store, or its log alone.
type Source interface {
	Journals(ctx context.Context, identity, after string, limit int) ([]store.Journal, error)
	NextJournalBatch(ctx context.Context, origin string, after int64, since time.Time) (store.JournalBatch, error)
	JournalKeyring(ctx context.Context, origin string) (*audit.Keyring, error)
}

// A Check is what was found out about one journal.
type Check struct {
	Origin, Identity string
	Removed          int64 // entries that have left their retention, from the first on
	Entries          int64 // up to the last that was read
	Forked           *time.Time
	Err              error // an [*audit.TamperError], or why it could not be read; nil: it is what was received
}

// Verify reads every journal of the archive and calls each with what it found: whether
// its entries hash to what was received, to the journal's own checkpoint where that covers
// no more, and whether w, who has read the CA's log, was told the same of it: without, who
// owns the database may put his own key in the journal's place, or have entries leave
// before their time. A batch is held at a time. A nil w says nothing.
func Verify(ctx context.Context, s Source, w *Witness, each func(Check) error) error {
	err := eachJournal(ctx, s, func(j store.Journal) error {
		c := Check{Origin: j.Origin, Identity: j.Identity, Forked: j.Forked, Removed: j.Removed}
		c.Entries, c.Err = verify(ctx, s, j)
		if w != nil && c.Err == nil {
			c.Err = w.judge(j.Origin)
		}
		return each(c)
	})
	if err != nil || w == nil {
		return err
	}
	missing, err := w.missing(ctx, s)
	for _, c := range missing {
		if err := each(c); err != nil {
			return err
		}
	}
	return err
}

// eachJournal calls each with all journals, in the order of their origins.
func eachJournal(ctx context.Context, s Source, each func(store.Journal) error) error {
	for after := ""; ; {
		page, err := s.Journals(ctx, "", after, 100)
		if err != nil {
			return err
		}
		for _, j := range page {
			if err := each(j); err != nil {
				return err
			}
			after = j.Origin
		}
		if len(page) < 100 {
			return nil
		}
	}
}

func verify(ctx context.Context, s Source, j store.Journal) (int64, error) {
	broken := func(kind audit.Kind, from, to int64, detail string) error {
		return &audit.TamperError{Kind: kind, From: from, To: to, Detail: detail}
	}
	var newest checkpoint.Checkpoint
	if j.Checkpoint != "" {
		v, err := checkpoint.NewVerifier(j.Key)
		if err != nil {
			return 0, err
		}
		if newest, err = checkpoint.Open(j.Checkpoint, v); err != nil {
			return 0, broken(audit.CheckpointEdited, 1, j.Size, "the journal's key did not sign it")
		}
	}
	f, err := audit.ParseFrontier(j.Removed, j.RemovedFrontier)
	if err != nil || f.Size() > j.Size {
		return 0, broken(audit.Rewritten, 1, j.Removed, "what is on record of those that were removed is none of a journal of that length")
	}
	if j.Checkpoint != "" && f.Size() == newest.Size && f.Hash() != newest.Hash {
		return 0, broken(audit.Rewritten, 1, newest.Size, "they do not hash to the journal's checkpoint")
	}
	for f.Size() < j.Size {
		b, err := s.NextJournalBatch(ctx, j.Origin, f.Size(), time.Time{})
		if errors.Is(err, store.ErrNotFound) {
			return f.Size(), broken(audit.Truncated, f.Size()+1, j.Size, "no batch holds them")
		}
		if err != nil {
			return f.Size(), err
		}
		if b.First != f.Size()+1 {
			return f.Size(), broken(audit.Deleted, f.Size()+1, b.First-1, "no batch holds them")
		}
		err = rows(b, func(row audit.Record) error {
			if n, err := audit.Number(row.Leaf); err != nil || n != row.Seq || tlog.RecordHash(row.Leaf) != row.Hash {
				return broken(audit.Edited, row.Seq, row.Seq, "the leaf does not match its hash")
			}
			f.Append(row.Hash)
			if f.Size() == newest.Size && f.Hash() != newest.Hash {
				return broken(audit.Rewritten, 1, newest.Size, "they do not hash to the journal's checkpoint")
			}
			return nil
		})
		if err != nil {
			return f.Size(), err
		}
	}
	if f.Size() != j.Size || !bytes.Equal(f.Bytes(), j.Frontier) {
		return f.Size(), broken(audit.Rewritten, 1, f.Size(), "they do not hash to what was received")
	}
	return f.Size(), nil
}

// rows calls each with the entries of a batch.
func rows(b store.JournalBatch, each func(audit.Record) error) error {
	r := bytes.NewReader(b.Frames)
	for seq := b.First; ; seq++ {
		row, err := audit.ReadFrame(r, seq)
		if errors.Is(err, io.EOF) && seq == b.Last+1 {
			return nil
		}
		if err != nil || seq > b.Last {
			return &audit.TamperError{Kind: audit.Edited, From: seq, To: b.Last, Detail: fmt.Sprintf("their batch is not whole: %v", err)}
		}
		if err := each(row); err != nil {
			return err
		}
	}
}
