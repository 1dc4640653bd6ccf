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
	// Serial is the certificate that he presented; nil on the socket. Who has none
	// agrees to nothing.
	Serial *store.Serial
	// Powers are those without which he could not ask: what he does is not recorded, and
	// so not done, unless they still last then.
	Powers []store.PowerID
	// Reason is why he asks, for whoever has to agree; empty: he did not say.
	Reason string
}

// Daemon is the actor of what the daemon does of its own accord.
func Daemon() Actor { return Actor{Name: selfActor} }

// host reports whether he speaks for the CA's own host: the daemon does for its files,
// which are root's.
func (a Actor) host() bool { return a.Root || a.Name == selfActor }

// event is what the actor does in the transaction, by the powers that he needs for it.
func (a Actor) event(ctx context.Context, tx *store.Tx, action, subject string, detail map[string]any) audit.Event {
	a.acts(tx)
	return audit.Event{
		Action: action, Actor: a.Name, Subject: subject, Address: address(a.Address), Outcome: "ok",
		RequestID: RequestID(ctx), Detail: detail,
	}
}

// acts demands that the powers last by which the actor acts.
func (a Actor) acts(tx *store.Tx) {
	for _, id := range a.Powers {
		tx.UsePower(id, a.Name)
	}
}

// refuseActor records that an actor was refused by policy, and returns err.
func (r *Registrar) refuseActor(ctx context.Context, by Actor, subject string, err *ca.DeniedError) error {
	return r.council.refuse(ctx, by, subject, err)
}

// forbid is refuseActor for what only people may, or two of them.
func (c *council) forbid(ctx context.Context, by Actor, subject string, err *ca.DeniedError) error {
	return c.refuse(ctx, by, subject, &PersonError{Actor: by.Name, denied: err})
}

func (c *council) refuse(ctx context.Context, by Actor, subject string, err error) error {
	by.Powers = nil
	e := by.event(ctx, nil, "admin.refuse", subject, nil)
	e.Outcome = err.Error()
	c.log.WarnContext(ctx, "refused", "actor", by.Name, "subject", subject, "reason", err, "request", RequestID(ctx))
	if err := c.store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event { return e }); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	return err
}
