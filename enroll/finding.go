package enroll

import (
	"context"

	"github.com/betonica/betonica/store"
)

// A Finding is why the daemon suspends an identity of its own accord.
type Finding struct {
	Alert int64  // its number
	Rule  string // that found it
	Why   string // the second of its two facts
	Hold  bool   // until its owner says that it may go on
}

// SuspendFor suspends an identity for an alert, where policy has the rule act: the entry in
// the log names the alert. Nothing of what the machine holds is revoked: a pump goes on until
// its certificate ends, and somebody has that long to look. Resume undoes it.
//
// The errors are those of Suspend; those who manage machines are never suspended so.
func (r *Registrar) SuspendFor(ctx context.Context, path string, f Finding) error {
	_, err := r.moveFor(ctx, Daemon(), path, "identity.suspend", store.Active, store.Suspended, map[string]any{
		"alert": f.Alert, "rule": f.Rule, "reason": f.Why, "hold": f.Hold,
	})
	return err
}
