package archive

import (
	"context"
	"errors"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// Next returns the entries of a journal behind one, in their order: as many as came in one
// batch, some MiB at most, and the number of the last; store.ErrNotFound if there is none.
// An entry whose data key did not come has only what is in clear. A [*audit.TamperError]
// says that the batch is not what was received: last is where the next one begins behind,
// and the entries before the damage are returned.
func Next(ctx context.Context, s Source, origin string, after int64) (entries []audit.Entry, last int64, err error) {
	b, err := s.NextJournalBatch(ctx, origin, after, time.Time{})
	if err != nil {
		return nil, after, err
	}
	keyring, err := s.JournalKeyring(ctx, origin)
	if err != nil {
		return nil, after, err
	}
	err = rows(b, func(row audit.Record) error {
		if row.Seq <= after {
			return nil
		}
		e, err := keyring.Open(row.Leaf)
		if err != nil && !errors.Is(err, audit.ErrNoKey) {
			return &audit.TamperError{Kind: audit.Edited, From: row.Seq, To: row.Seq, Detail: err.Error()}
		}
		if e.Seq != row.Seq {
			return &audit.TamperError{Kind: audit.Renumbered, From: row.Seq, To: row.Seq}
		}
		entries = append(entries, e)
		return nil
	})
	return entries, b.Last, err
}
