package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

const powersAtOnce = 100 // that are ended at one look

// EndPower ends a power before its time. It is the person's own to end, and others' if
// the caller says that this actor may. It returns store.ErrNotFound, a [*ConflictError]
// if it has ended, and a [*ca.DeniedError].
func (r *Registrar) EndPower(ctx context.Context, by Actor, id store.PowerID, others bool) (store.Power, error) {
	return r.onPower(ctx, by, id, func(ctx context.Context, tx *store.AloneTx, p store.Power) (audit.Event, error) {
		switch {
		case p.Person != by.Name && !others:
			return audit.Event{}, &ca.DeniedError{Reason: "the power is another's"}
		case p.Ended != nil:
			return audit.Event{}, conflictf("%s has ended at %s", api.ProposalCode(id), p.Ended.Format(time.RFC3339))
		}
		tx.EndPower(id, by.Name)
		return powerEvent(ctx, &tx.Tx, by, "power.end", p, map[string]any{"uses": p.Uses, "early": tx.Now().Before(p.Ends)}), nil
	})
}

// ReviewPower records what somebody says who has looked at what was done by a power that
// has ended: a person of another owner than the one who had it. The errors are those of
// EndPower.
func (r *Registrar) ReviewPower(ctx context.Context, by Actor, id store.PowerID, word string) (store.Power, error) {
	if word == "" {
		return store.Power{}, badRequest("a review says something")
	}
	if err := checkText(word, maxReason); err != nil {
		return store.Power{}, badRequest("word: %v", err)
	}
	return r.onPower(ctx, by, id, func(ctx context.Context, tx *store.AloneTx, p store.Power) (audit.Event, error) {
		person, err := r.council.person(ctx, tx, by)
		if err != nil {
			return audit.Event{}, err
		}
		had, err := tx.Identity(ctx, p.Person)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return audit.Event{}, err
		}
		switch {
		case p.Ended == nil:
			return audit.Event{}, conflictf("%s has not ended: it is looked at afterwards", api.ProposalCode(id))
		case p.Reviewed != nil:
			return audit.Event{}, conflictf("%s was reviewed by %s at %s", api.ProposalCode(id), p.ReviewedBy, p.Reviewed.Format(time.RFC3339))
		case ownerKey(person.Owner) == "":
			return audit.Event{}, &ca.DeniedError{Rule: person.Role, Reason: "nobody answers for " + person.Path + ": a person without an owner reviews nothing"}
		case p.Person == person.Path || sameOwner(p.Owner, person.Owner) || sameOwner(had.Owner, person.Owner):
			return audit.Event{}, &ca.DeniedError{Rule: person.Role, Reason: "the same owner answers for " + p.Person + ", whose power it was"}
		}
		tx.ReviewPower(id, by.Name, word)
		return powerEvent(ctx, &tx.Tx, by, "power.review", p, map[string]any{"word": word, "uses": p.Uses, "late": tx.Now().Sub(p.Begun) > ReviewWithin}), nil
	})
}

// onPower does something to a power that is on record.
func (r *Registrar) onPower(ctx context.Context, by Actor, id store.PowerID,
	do func(context.Context, *store.AloneTx, store.Power) (audit.Event, error)) (store.Power, error) {
	err := r.store.Decide(ctx, func(ctx context.Context, tx *store.AloneTx) ([]audit.Event, error) {
		p, err := tx.Power(ctx, id)
		if err != nil {
			return nil, err
		}
		event, err := do(ctx, tx, p)
		if err == nil {
			err = tx.Err()
		}
		return []audit.Event{event}, err
	})
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return store.Power{}, r.council.forbid(ctx, by, "power:"+api.ProposalCode(id), denied)
	}
	if err != nil {
		return store.Power{}, err
	}
	return r.store.Power(ctx, id)
}

// RunPowers ends powers whose time is over, while this process is the one to do it,
// until ctx is done. It returns nil then. Nobody waits for it: a power is of no use from
// its end on, whether or not that is on record.
func (r *Registrar) RunPowers(ctx context.Context) error {
	tick := time.NewTicker(lifeLook)
	defer tick.Stop()
	for {
		if r.store.Eldest() {
			if err := r.EndPowers(ctx); err != nil && ctx.Err() == nil {
				r.log.ErrorContext(ctx, "powers that are over were not ended", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// EndPowers ends, once, the powers whose time is over.
func (r *Registrar) EndPowers(ctx context.Context) error {
	over, err := r.store.PowersOver(ctx, powersAtOnce)
	if err != nil {
		return err
	}
	for _, p := range over {
		err := r.store.Update(ctx, func(tx *store.Tx) audit.Event {
			tx.EndPower(p.ID, selfActor)
			return powerEvent(ctx, tx, Daemon(), "power.end", p, map[string]any{"uses": p.Uses, "early": false})
		})
		if err != nil && !errors.Is(err, store.ErrOver) { // or another was faster
			return fmt.Errorf("ending power %s: %w", api.ProposalCode(p.ID), err)
		}
	}
	return nil
}
