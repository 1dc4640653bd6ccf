package enroll

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// alarm puts e on record and marks the identity of that path, if any, as
// suspect: a flag for people. It stops nothing, since what looks like a thief may
// be the patient's pump.
func (r *Registrar) alarm(ctx context.Context, path string, e audit.Event) error {
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
