package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// A BatchError says what is wrong with a batch, for whoever sent it.
type BatchError struct{ Detail string }

func (e *BatchError) Error() string { return e.Detail }

func bad(format string, args ...any) error { return &BatchError{fmt.Sprintf(format, args...)} }

// A Sender is who brings a batch, as his certificate proved it.
type Sender struct {
	Identity  string // path
	Address   string
	RequestID string
}

// Receive takes a batch that a machine brings of its own journal, whose statement the
// caller has found to be signed by a certificate of that machine, and says what it wants
// next. What it has already it does not take again, and neither what leaves out entries:
// the answer says where to go on. When it returns nil the entries are on disk.
//
// It returns a [*BatchError] for what no journal sends, a [*FullError] if there is no room
// for it by the bounds, and a [*journal.ForkError] if the journal is of another history
// than the one that was received before.
func Receive(ctx context.Context, db *store.DB, bounds Bounds, from Sender, b *journal.Batch) (journal.Ends, error) {
	if err := named(b.Statement.Origin, from.Identity); err != nil {
		return journal.Ends{}, err
	}
	j, err := db.JournalOf(ctx, b.Statement.Origin)
	if errors.Is(err, store.ErrNotFound) {
		j, err = begin(ctx, db, bounds, from, b.Statement)
	}
	if err != nil {
		return journal.Ends{}, err
	}
	ends := journal.Ends{Next: j.Size + 1, Reader: db.ReaderKey()}
	switch {
	case j.Identity != from.Identity:
		return journal.Ends{}, bad("the journal %s is another machine's", j.Origin)
	case j.Forked != nil:
		return journal.Ends{}, &journal.ForkError{Origin: j.Origin, Detail: "it showed another history at " + j.Forked.Format("2006-01-02T15:04:05Z") + "; begin a new one"}
	case len(b.Rows) > 0 && b.First != ends.Next:
		return ends, nil
	}
	after, err := extend(j, b)
	if fork, is := errors.AsType[*journal.ForkError](err); is {
		return journal.Ends{}, errors.Join(fork, alarm(ctx, db, from, fork))
	}
	if err != nil || len(b.Rows) == 0 {
		return ends, err
	}
	if err := bounds.room(ctx, db, from, false); err != nil {
		return journal.Ends{}, err
	}
	keys, err := opened(ctx, db, b)
	if err != nil {
		return journal.Ends{}, err
	}
	batch := store.JournalBatch{First: b.First, Last: b.Last, Earliest: b.Rows[0].At, Latest: b.Rows[0].At, Frames: b.Frames}
	for _, row := range b.Rows { // a machine's clock may have been set back
		if row.At.Before(batch.Earliest) {
			batch.Earliest = row.At
		}
		if row.At.After(batch.Latest) {
			batch.Latest = row.At
		}
	}
	err = db.Durable(ctx, func(tx *store.RelaxedTx) { tx.ExtendJournal(j.Size, after, batch, keys) })
	if errors.Is(err, store.ErrStale) { // somebody else brought the same meanwhile
		if j, err = db.JournalOf(ctx, j.Origin); err == nil {
			ends.Next = j.Size + 1
		}
		return ends, err
	}
	if err != nil {
		return journal.Ends{}, err
	}
	ends.Next = after.Size + 1
	return ends, nil
}

// named says whether a journal may have that name: it is the machine's own, for ever.
func named(origin, identity string) error {
	domain, id, ok := strings.Cut(origin, "/"+identity+"/journal/")
	if !ok || domain == "" || strings.Contains(domain, "/") || id == "" || strings.Trim(id, "0123456789abcdef") != "" || len(origin) > 512 {
		return bad("%.200q is no name for a journal of %s", origin, identity)
	}
	return nil
}

// begin puts a journal on record that was not known.
func begin(ctx context.Context, db *store.DB, bounds Bounds, from Sender, s journal.Statement) (store.Journal, error) {
	if err := bounds.room(ctx, db, from, true); err != nil {
		return store.Journal{}, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return store.Journal{}, err
	}
	j := store.Journal{Origin: s.Origin, Identity: from.Identity, Key: s.Key, Statement: text}
	err = db.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.InsertJournal(j)
		return audit.Event{
			Action: "journal.begin", Actor: from.Identity, Subject: from.Identity, Address: from.Address, RequestID: from.RequestID,
			Outcome: "ok", Detail: map[string]any{"origin": j.Origin, "key": j.Key},
		}
	})
	if errors.Is(err, store.ErrExists) { // just now
		return db.JournalOf(ctx, j.Origin)
	}
	return j, err
}

// extend returns the journal as it is with a batch.
func extend(j store.Journal, b *journal.Batch) (store.Journal, error) {
	if j.Key != b.Statement.Key {
		return j, &journal.ForkError{Origin: j.Origin, Detail: "it is signed by another key than before"}
	}
	f, err := audit.ParseFrontier(j.Size, j.Frontier)
	if err != nil {
		return j, err
	}
	j.Checkpoint, err = b.Extend(&f, j.Checkpoint)
	if _, is := errors.AsType[*journal.ForkError](err); err != nil && !is {
		return j, bad("%v", err)
	}
	j.Size, j.Frontier = f.Size(), f.Bytes()
	return j, err
}

// opened returns the keys that came with a batch.
func opened(ctx context.Context, db *store.DB, b *journal.Batch) (all []store.JournalKey, err error) {
	for _, k := range b.Keys {
		if len(k.ID) != len(audit.KeyID{}) {
			return nil, bad("the id of a data key has %d bytes", len(k.ID))
		}
		key, err := db.OpenJournalKey(ctx, audit.KeyID(k.ID), k.Sealed)
		if errors.Is(err, audit.ErrForeignKey) {
			return nil, bad("%v", err)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}

// alarm puts on record that a journal forked, once.
func alarm(ctx context.Context, db *store.DB, from Sender, fork *journal.ForkError) error {
	err := db.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.ForkJournal(fork.Origin)
		return audit.Event{
			Action: "journal.fork", Actor: from.Identity, Subject: from.Identity, Address: from.Address, RequestID: from.RequestID,
			Outcome: fork.Detail, Detail: map[string]any{"origin": fork.Origin},
		}
	})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}
