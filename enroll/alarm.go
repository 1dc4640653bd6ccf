package enroll

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// alarm puts e on record and marks the identity of that path, if any, as
// suspect: a flag for people. It stops nothing, since what looks like a thief may
// be the patient's pump. What repeats itself too often is recorded by the queue for
// strangers.
func (r *Registrar) alarm(ctx context.Context, path string, e audit.Event) error {
	r.tally.alarm(e.Action)
	if r.often.count(e.Action+" "+e.Subject, r.now()) {
		r.refusals.add(e)
		return nil
	}
	r.log.WarnContext(ctx, "alarm", "action", e.Action, "identity", path, "outcome", e.Outcome, "request", e.RequestID)
	// A caller that hangs up is on record all the same.
	err := r.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) audit.Event {
		if path != "" {
			tx.MarkSuspect(path)
		}
		return e
	})
	if err != nil {
		return fmt.Errorf("recording %s: %w", e.Action, err)
	}
	return nil
}

// address is how an audit event writes a source address; the zero Addr is "".
func address(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// accuse is alarm for what whoever did it could go on doing: past the limit of bad tokens
// a [*RateLimitError] comes back, and it is the queue that records, for a thief writes no
// faster than a stranger. All the identities of those paths are suspect, at once also past
// the limit: a thief among many behind one address must not keep them from that. token is
// the one that was shown; nil: none.
func (r *Registrar) accuse(ctx context.Context, from netip.Addr, token *store.TokenID, e audit.Event, paths ...string) error {
	r.tally.alarm(e.Action)
	var limited error
	if wait := r.bad.count(from, token, r.now()); wait > 0 {
		limited = &RateLimitError{RetryAfter: wait}
		switch news, err := r.unsuspected(ctx, paths); {
		case err != nil:
			return err
		case !news:
			r.refusals.add(e)
			return limited
		}
	}
	r.log.WarnContext(ctx, "alarm", "action", e.Action, "identities", paths, "outcome", e.Outcome, "request", e.RequestID)
	err := r.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) audit.Event {
		for _, path := range slices.Sorted(slices.Values(paths)) { // one order of locks
			tx.MarkSuspect(path)
		}
		return e
	})
	if err != nil {
		return fmt.Errorf("recording %s: %w", e.Action, err)
	}
	return limited
}

// unsuspected reports whether one of the identities is not suspect yet.
func (r *Registrar) unsuspected(ctx context.Context, paths []string) (bool, error) {
	for _, path := range paths {
		if id, err := r.store.Identity(ctx, path); err != nil || !id.Suspect {
			return err == nil, err
		}
	}
	return false, nil
}
