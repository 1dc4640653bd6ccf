package store

import (
	"context"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// A feed tells those in this process who must know at once what was revoked, here
// or by another process, and knows how far the other processes are.
//
// What is to be told is found in two places: by the writer, inside each transaction
// that revokes, and on PostgreSQL by the session that listens to the others. Both
// read everything above seen, and numbers become visible in ascending order, so
// neither can miss any; deliver leaves out what the other was faster to tell.
type feed struct {
	delivering sync.Mutex   // held while hooks are called
	seen       atomic.Int64 // greatest CRL number that the hooks know; changed while delivering
	own        atomic.Int64 // greatest CRL number of the writer's newest transaction that revoked

	mu    sync.Mutex
	hooks []*func([]Revocation, bool)

	id      int64 // of this process in the table replicas; PostgreSQL
	lease   lease
	peers   peers
	eldest  atomic.Bool
	notices notices
	refused atomic.Pointer[error] // why this program must not go on
}

// OnRevoked has fn called with every revocation from now on, in ascending order
// of their numbers, and each at least once; here says that this process revoked
// some of them. fn is called after the commit, and before the call that revoked
// returns: whoever answers from memory about certificates corrects itself in fn.
// What another process revokes on the same PostgreSQL database comes within
// milliseconds, and within 500 ms or [DB.Lapsed] is true until it came.
//
// fn is never called twice at once. It runs in one of the writer's goroutines or in the
// feed's: all writes wait for it, and the sync of what was committed meanwhile. It must not
// write, nor read from the store, nor take a lock that is held over either. It must not change
// the slice. The function that OnRevoked returns ends it.
func (d *DB) OnRevoked(fn func(all []Revocation, here bool)) (stop func()) {
	f := &d.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	hook := &fn
	f.hooks = append(slices.Clone(f.hooks), hook)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.hooks = slices.DeleteFunc(slices.Clone(f.hooks), func(h *func([]Revocation, bool)) bool { return h == hook })
	}
}

// readUnseen reads what was revoked with a number greater than one.
const readUnseen = `SELECT ` + revocationColumns + ` FROM revocations r WHERE r.number > $1 ORDER BY r.number, r.serial`

// unseen reads what was not delivered yet, in the writer's session.
func (f *feed) unseen(ctx context.Context, s *session) ([]Revocation, error) {
	rows, err := s.query(ctx, readUnseen, []any{f.seen.Load()})
	if err != nil {
		return nil, err
	}
	return collectRevocations(rows)
}

// deliver calls the hooks with those that they do not know yet. The revocations are
// all that there were above some number that seen had, in the order of theirs.
func (f *feed) deliver(revocations []Revocation) {
	f.delivering.Lock()
	defer f.delivering.Unlock()
	seen := f.seen.Load()
	fresh := revocations[sort.Search(len(revocations), func(i int) bool { return revocations[i].Number > seen }):]
	if len(fresh) == 0 {
		return
	}
	own := f.own.Load()
	here := slices.ContainsFunc(fresh, func(r Revocation) bool { return r.Number == own })
	f.mu.Lock()
	hooks := f.hooks
	f.mu.Unlock()
	for _, hook := range hooks {
		(*hook)(fresh, here)
	}
	f.seen.Store(greatest(fresh)) // not before: what was seen is known to all
}

// greatest returns the last of the numbers, 0 if there are none.
func greatest(revocations []Revocation) int64 {
	if len(revocations) == 0 {
		return 0
	}
	return revocations[len(revocations)-1].Number
}

// refuse ends all writing: a newer program has changed the database in a way that
// this one does not understand.
func (f *feed) refuse(err error) { f.refused.Store(&err) }

// refusal returns why nothing is written any more, or nil.
func (f *feed) refusal() error {
	if err := f.refused.Load(); err != nil {
		return *err
	}
	return nil
}
