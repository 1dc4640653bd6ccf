package enroll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// refuseAccount records why an account does not get what it asks, for the subject if
// that is not itself, and returns err. Of accounts that are bound to nobody, who are
// strangers, and of one that is refused again and again, no more is recorded than of
// strangers.
func (r *Registrar) refuseAccount(ctx context.Context, acc store.Account, subject string, from netip.Addr, err error) error {
	outcome, refused := refusedAccount(err)
	if !refused {
		return err
	}
	r.tally.refuse(reasonOf(err))
	e := accountEvent(ctx, "acme.refuse", acc, from, nil)
	e.Outcome = outcome
	if subject != "" {
		e.Subject = subject
	}
	r.log.WarnContext(ctx, "refused", "account", acc.ID.String(), "identity", subject, "reason", outcome, "request", RequestID(ctx))
	if acc.Identity == "" || r.often.count("acme.refuse "+acc.ID.String(), r.now()) {
		r.refusals.add(e)
		return err
	}
	if err := r.store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event { return e }); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	return err
}

// refusedAccount says in a line why an account was refused, if that is what err
// reports.
func refusedAccount(err error) (string, bool) {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		errs := all.Unwrap()
		text, refused := refusedAccount(errs[0])
		if len(errs) > 1 {
			text = fmt.Sprintf("%s, and %d more", text, len(errs)-1)
		}
		return text, refused
	}
	if _, ok := errors.AsType[*ProfileError](err); ok {
		return err.Error(), true
	}
	if _, ok := errors.AsType[*IdentifierError](err); ok {
		return err.Error(), true
	}
	return err.Error(), refusal(err)
}
