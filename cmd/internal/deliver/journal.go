package deliver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

// fewJournals is of how many journals a round hands over a batch.
const fewJournals = 16

// someJournals hands over a batch of each of the next journals that have something, and
// reports whether there were any: each has its turn, however long another is.
func (f *feed) someJournals(ctx context.Context) (some bool, err error) {
	page, err := f.Store.WaitingJournals(ctx, f.Name, f.after, fewJournals)
	if err != nil {
		return false, err
	}
	if len(page) == 0 && f.after != "" {
		f.after = ""
		if page, err = f.Store.WaitingJournals(ctx, f.Name, "", fewJournals); err != nil {
			return false, err
		}
	}
	for _, j := range page {
		f.after = j.Origin
		moved, err := f.oneJournal(ctx, j)
		if err != nil {
			return some, err
		}
		some = some || moved
	}
	return some, nil
}

// oneJournal hands over what is left of a batch of a journal.
func (f *feed) oneJournal(ctx context.Context, j store.WaitingJournal) (moved bool, err error) {
	b, err := f.Store.NextJournalBatch(ctx, j.Origin, j.Taken, time.Time{})
	if errors.Is(err, store.ErrNotFound) { // it left, or somebody removed it
		return false, nil
	}
	if err != nil {
		return false, err
	}
	keyring, err := f.Store.JournalKeyring(ctx, j.Origin)
	if err != nil {
		return false, err
	}
	if b.First > j.Taken+1 {
		f.Log.WarnContext(ctx, "entries of a journal left their retention before they were delivered", "sink", f.Name, "journal", j.Origin, "first", j.Taken+1, "last", b.First-1)
	}
	from := atna.Source{
		ID: "spiffe://" + f.TrustDomain + "/" + j.Identity, Site: f.Source.Site, Origin: j.Origin, Guard: true,
	}
	kept, frames := j.Taken, bytes.NewReader(b.Frames)
	for seq := b.First; seq <= b.Last; {
		began := time.Now()
		entries, err := f.open(frames, &seq, max(b.First, j.Taken+1), b.Last, keyring)
		if err != nil { // betonicad audit verify says so, too
			f.Log.ErrorContext(ctx, "a batch of a journal is not whole", "sink", f.Name, "journal", j.Origin, "entry", seq, "error", err)
			seq = b.Last + 1
		}
		read := time.Since(began)
		at, taken := seq-1, 0
		var failed error
		if len(entries) > 0 {
			var to int64
			if to, taken, failed = f.send(ctx, entries, from); failed != nil {
				at = to
			}
		}
		if at > kept {
			if err := f.move(ctx, j.Origin, kept, at); err != nil {
				return moved, ignoreStale(err)
			}
			kept, moved = at, true
		}
		moved = moved || taken > 0
		if failed != nil {
			err := f.pass(ctx, j.Origin, &kept, &kept, failed)
			return moved || err == nil, err
		}
		sleep(ctx, read)
		if ctx.Err() != nil {
			return moved, nil
		}
	}
	return moved, nil
}

// open reads entries of a batch from number seq on, as many as a sink gets at a time, and
// opens those from first to last. It leaves seq at the next one.
func (f *feed) open(frames io.Reader, seq *int64, first, last int64, keyring *audit.Keyring) (entries []audit.Entry, err error) {
	for size := 0; *seq <= last && len(entries) < f.Batch && size < batchBytes; *seq++ {
		row, err := audit.ReadFrame(frames, *seq)
		if err != nil {
			return entries, err
		}
		if *seq < first {
			continue
		}
		e, err := keyring.Open(row.Leaf)
		if err != nil && !errors.Is(err, audit.ErrNoKey) {
			e = audit.Entry{Event: audit.Event{Outcome: "unreadable: " + err.Error()}}
		}
		e.Seq, e.At, e.Action, e.Hash = row.Seq, row.At, row.Action, row.Hash
		entries, size = append(entries, e), size+len(row.Leaf)
	}
	return entries, nil
}

// ignoreStale is err, unless somebody else moved the cursor.
func ignoreStale(err error) error {
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}
