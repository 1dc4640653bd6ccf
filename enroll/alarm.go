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
// be the patient's pump.
func (r *Registrar) alarm(ctx context.Context, path string, e audit.Event) error {
	r.tally.alarm(e.Action)
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
// it is the queue that records, for a thief writes no faster than a stranger, and a
// [*RateLimitError] comes back. All the identities of those paths are suspect.
func (r *Registrar) accuse(ctx context.Context, from netip.Addr, e audit.Event, paths ...string) error {
	r.tally.alarm(e.Action)
	if wait := r.bad.count(from, nil, r.now()); wait > 0 {
		r.refusals.add(e)
		return &RateLimitError{RetryAfter: wait}
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
	return nil
}
