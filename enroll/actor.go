package enroll

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An Actor is who asks for a change of what is on record: a person, or the daemon
// itself. That he may ask at all was judged before.
type Actor struct {
	// Name is how the log calls him: "uid:0", or the path of an identity.
	Name string
	// Root says that he is root on the CA's own host, on the admin socket.
	Root bool
	// Address is where he speaks from; the zero Addr on the socket.
	Address netip.Addr
}

// Daemon is the actor of what the daemon does of its own accord.
func Daemon() Actor { return Actor{Name: selfActor} }

func (a Actor) event(ctx context.Context, action, subject string, detail map[string]any) audit.Event {
	return audit.Event{
		Action: action, Actor: a.Name, Subject: subject, Address: address(a.Address), Outcome: "ok",
		RequestID: RequestID(ctx), Detail: detail,
	}
}

// refuseActor records that an actor was refused by policy, and returns err.
func (r *Registrar) refuseActor(ctx context.Context, by Actor, subject string, err *ca.DeniedError) error {
	e := by.event(ctx, "admin.refuse", subject, nil)
	e.Outcome = err.Error()
	r.log.WarnContext(ctx, "refused", "actor", by.Name, "subject", subject, "reason", err, "request", RequestID(ctx))
	if err := r.store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event { return e }); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	return err
}
