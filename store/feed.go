package store

import (
	"context"
	"slices"
	"sync"
)

// A feed tells those in this process who must know at once what was revoked.
type feed struct {
	seen int64 // greatest CRL number that was published; of the writer's goroutine

	mu    sync.Mutex
	hooks []*func([]Revocation)
}

// OnRevoked has fn called with every revocation from now on, in ascending order
// of their numbers, and each at least once. fn is called after the commit, and
// before the call that revoked returns: whoever answers from memory about
// certificates corrects itself in fn. What another process revokes on the same
// PostgreSQL database comes within about a second.
//
// fn runs in the writer's goroutine: all writes wait for it, and it must not
// write. It must not change the slice. The function that OnRevoked returns ends
// it.
func (d *DB) OnRevoked(fn func([]Revocation)) (stop func()) {
	f := &d.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	hook := &fn
	f.hooks = append(slices.Clone(f.hooks), hook)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.hooks = slices.DeleteFunc(slices.Clone(f.hooks), func(h *func([]Revocation)) bool { return h == hook })
	}
}

// unseen reads what was not published yet, in the writer's transaction.
func (f *feed) unseen(ctx context.Context, s *session) ([]Revocation, error) {
	rows, err := s.query(ctx, `
		SELECT `+revocationColumns+` FROM revocations r WHERE r.number > $1 ORDER BY r.number, r.serial`, []any{f.seen})
	if err != nil {
		return nil, err
	}
	return collectRevocations(rows)
}

// publish calls the hooks.
func (f *feed) publish(revocations []Revocation) {
	if len(revocations) == 0 {
		return
	}
	f.seen = revocations[len(revocations)-1].Number
	f.mu.Lock()
	hooks := f.hooks
	f.mu.Unlock()
	for _, hook := range hooks {
		(*hook)(revocations)
	}
}
