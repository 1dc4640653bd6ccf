package archive

import (
	"context"
	"errors"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A Filter narrows a list; what is zero does not.
type Filter struct {
	Identity     string // path of the machine whose journals
	Action       string
	Since, Until time.Time // since included, until not
}

// A Place is behind an entry of a journal: where a list goes on.
type Place struct {
	Done   string // the journals up to this one are listed
	Origin string // of this one
	Seq    int64  // the entries up to here
}

// An Entry is one of a journal.
type Entry struct {
	Origin, Identity string
	audit.Entry
}

// maxBatches bounds what is read for one page: some 16 MiB.
const maxBatches = 16

// List returns up to limit entries behind a place, journal after journal, each in its
// order, and the place to go on from; none after the last. It reads a bounded number of
// batches, so that a page may hold fewer entries, or none, and not be the last. An entry
// whose data key did not come has only what is in clear.
func List(ctx context.Context, s Source, f Filter, from Place, limit int) ([]Entry, *Place, error) {
	var all []Entry
	at := from
	for read := 0; read < maxBatches; read++ {
		page, err := s.Journals(ctx, f.Identity, at.Done, 1)
		if err != nil {
			return nil, nil, err
		}
		if len(page) == 0 {
			return all, nil, nil
		}
		j := page[0]
		if j.Origin != at.Origin {
			at = Place{at.Done, j.Origin, 0}
		}
		keyring, err := s.JournalKeyring(ctx, j.Origin)
		if err != nil {
			return nil, nil, err
		}
		for ; read < maxBatches; read++ {
			b, err := s.NextJournalBatch(ctx, j.Origin, at.Seq, f.Since)
			if errors.Is(err, store.ErrNotFound) {
				at = Place{Done: j.Origin}
				break
			}
			if err != nil {
				return nil, nil, err
			}
			if all, err = pick(all, b, j, keyring, f, &at, limit); err != nil {
				return nil, nil, err
			}
			if len(all) == limit {
				return all, &at, nil
			}
		}
	}
	return all, &at, nil
}

// pick adds the entries of a batch that the filter lets through.
func pick(all []Entry, b store.JournalBatch, j store.Journal, keyring *audit.Keyring, f Filter, at *Place, limit int) ([]Entry, error) {
	err := rows(b, func(row audit.Record) error {
		if row.Seq <= at.Seq || len(all) == limit {
			return nil
		}
		at.Seq = row.Seq
		if row.At.Before(f.Since) || !f.Until.IsZero() && !row.At.Before(f.Until) || f.Action != "" && row.Action != f.Action {
			return nil
		}
		e, err := keyring.Open(row.Leaf)
		if err != nil && !errors.Is(err, audit.ErrNoKey) {
			return err
		}
		all = append(all, Entry{j.Origin, j.Identity, e})
		return nil
	})
	return all, err
}
