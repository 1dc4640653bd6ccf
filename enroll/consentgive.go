package enroll

import (
	"context"
	"errors"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Consent says yes to a proposal, in the name of a person who holds a certificate in
// force. digest is that of what was looked at.
//
// It returns store.ErrNotFound; a [*ConflictError] if the proposal is another than was
// looked at, or is not open any more; and a [*ca.DeniedError] if the actor is root on the
// host, has proposed it, or has the same owner as whoever did or has agreed.
func (r *Registrar) Consent(ctx context.Context, by Actor, id store.ProposalID, digest [32]byte) (store.Proposal, error) {
	return r.council.answer(ctx, by, id, func(ctx context.Context, tx *store.AloneTx, p store.Proposal, person store.Identity) (audit.Event, error) {
		if p.Digest != digest || p.Digest != digestOf(p.Kind, p.By, p.Body) {
			return audit.Event{}, conflictf("%s is not what you looked at: look at it again", api.ProposalCode(id))
		}
		if p.State != store.ProposalOpen {
			return audit.Event{}, conflictf("%s is %s already", api.ProposalCode(id), p.State)
		}
		if err := r.council.independent(ctx, tx, p, person); err != nil {
			return audit.Event{}, err
		}
		tx.InsertConsent(id, store.Consent{Path: by.Name, Owner: person.Owner, Serial: *by.Serial})
		all, _, err := r.council.standing(ctx, tx, id)
		if err != nil {
			return audit.Event{}, err
		}
		enough := owners(all) >= twoOwners
		if enough {
			tx.MoveProposal(id, store.ProposalOpen, store.ProposalApproved, by.Name)
		}
		return proposalEvent(ctx, &tx.Tx, by, "consent.give", p, map[string]any{"owner": person.Owner, "approved": enough, "reason": p.Reason}), nil
	})
}

// Refuse says no to a proposal, for its time, also to one that was approved and not used.
// Whoever made it may take it back. The errors are those of Consent.
func (r *Registrar) Refuse(ctx context.Context, by Actor, id store.ProposalID) (store.Proposal, error) {
	return r.council.answer(ctx, by, id, func(ctx context.Context, tx *store.AloneTx, p store.Proposal, _ store.Identity) (audit.Event, error) {
		if p.State != store.ProposalOpen && p.State != store.ProposalApproved {
			return audit.Event{}, conflictf("%s is %s already", api.ProposalCode(id), p.State)
		}
		tx.MoveProposal(id, p.State, store.ProposalDenied, by.Name)
		return proposalEvent(ctx, &tx.Tx, by, "consent.deny", p, map[string]any{"was": string(p.State)}), nil
	})
}

// answer has a person say something to a proposal that is in time.
func (c *council) answer(ctx context.Context, by Actor, id store.ProposalID,
	say func(context.Context, *store.AloneTx, store.Proposal, store.Identity) (audit.Event, error)) (store.Proposal, error) {
	err := c.store.Decide(ctx, func(ctx context.Context, tx *store.AloneTx) ([]audit.Event, error) {
		p, err := tx.Proposal(ctx, id)
		if err != nil {
			return nil, err
		}
		if p.Lapsed(tx.Now()) {
			return nil, conflictf("%s has lapsed: it has to be proposed again", api.ProposalCode(id))
		}
		person, err := c.person(ctx, tx, by)
		if err != nil {
			return nil, err
		}
		event, err := say(ctx, tx, p, person)
		if err == nil {
			err = tx.Err()
		}
		return []audit.Event{event}, err
	})
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return store.Proposal{}, c.forbid(ctx, by, "proposal:"+api.ProposalCode(id), denied)
	}
	if err != nil {
		return store.Proposal{}, err
	}
	return c.store.Proposal(ctx, id)
}

// independent refuses whoever agrees with himself: the one who proposed it, and everybody
// who has the same owner as he or another who has agreed.
func (c *council) independent(ctx context.Context, tx *store.AloneTx, p store.Proposal, person store.Identity) error {
	deny := func(why string) error { return &ca.DeniedError{Rule: person.Role, Reason: why} }
	if ownerKey(person.Owner) == "" {
		return deny("nobody answers for " + person.Path + ": a person without an owner agrees to nothing")
	}
	if p.By == person.Path {
		return deny("whoever proposed it has said yes to it")
	}
	proposer, err := tx.Identity(ctx, p.By) // uid:0 is none
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && sameOwner(proposer.Owner, person.Owner) {
		return deny("the same owner answers for " + p.By + ", who proposed it")
	}
	all, _, err := c.standing(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	for _, k := range all {
		if sameOwner(k.Owner, person.Owner) {
			return deny("the same owner answers for " + k.Path + ", who has said yes")
		}
	}
	return nil
}
