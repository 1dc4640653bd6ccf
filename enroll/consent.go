package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

const (
	// proposalTime is how long a proposal waits for others, and then to be used.
	proposalTime = 24 * time.Hour

	maxProposals = 50  // that one makes in that time
	maxReason    = 256 // bytes
	twoOwners    = 2
)

// A ConsentError reports that what was asked for takes two people, and waits on record
// for another one. Whoever asked repeats the very same request then.
type ConsentError struct {
	Proposal store.Proposal
	void     []string // who had agreed, and why that does not count any more
}

// Code is how people call the proposal: "P-7ZK4-09TM".
func (e *ConsentError) Code() string { return api.ProposalCode(e.Proposal.ID) }

func (e *ConsentError) Error() string {
	text := fmt.Sprintf("it takes two people whose certificates have different owners: it waits as %s until %s for another to say yes, betonica approve %s; repeat the same command then",
		e.Code(), e.Proposal.Expires.UTC().Format(time.RFC3339), e.Code())
	if len(e.void) > 0 {
		text += " (" + strings.Join(e.void, "; ") + ")"
	}
	return text
}

// A council is what two people are asked by: it says what they have agreed on, in the
// transaction that does it.
type council struct {
	store *store.DB
	log   *slog.Logger
}

// A motion is what an actor asks for that takes two people.
type motion struct {
	kind    store.ProposalKind
	subject string
	body    []byte // all that it is, in JSON, the same for the same request
}

// alone says whether the CA's own host may do it as long as there are no two people.
func (m motion) alone() bool { return m.kind == store.ProposeToken || m.kind == store.ProposePolicy }

// digest is what a proposal is found by: what is asked for, to the byte, and who asks.
func digestOf(kind store.ProposalKind, by string, body []byte) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "betonica proposal\x00%s\x00%s\x00", kind, by)
	h.Write(body)
	return [32]byte(h.Sum(nil))
}

// An agreement is why something that takes two people may be done.
type agreement struct {
	proposal *store.Proposal   // nil: the host does it alone
	people   []string          // who agreed, paths
	owners   map[string]string // who answers for them
	again    bool              // alone, though two people have worked together before
}

// about is what the log says of it.
func (g agreement) about(detail map[string]any) map[string]any {
	if g.proposal == nil {
		detail["alone"], detail["again"] = true, g.again
		return detail
	}
	detail["proposal"], detail["consents"], detail["reason"] = api.ProposalCode(g.proposal.ID), g.people, g.proposal.Reason
	return detail
}

// decide does what was moved if two people agree on it, which uses their agreement up,
// or if the host may do it alone; act must only collect, and returns the event of it.
// Otherwise the motion goes on record as a proposal, if it is not there, and the error is
// a [*ConsentError]; a [*ca.DeniedError] where nobody could agree to it.
//
// All of it is judged in the transaction that acts: who loses certificate or owner
// before, has not agreed.
func (c *council) decide(ctx context.Context, by Actor, m motion, act func(*store.Tx, agreement) audit.Event) error {
	var waits *ConsentError
	err := c.store.Decide(ctx, func(ctx context.Context, tx *store.AloneTx) ([]audit.Event, error) {
		waits = nil // it may run more than once
		g, events, err := c.agreed(ctx, tx, by, m, &waits)
		if err != nil || waits != nil {
			return events, errors.Join(err, tx.Err())
		}
		events = append(events, act(&tx.Tx, g))
		return events, tx.Err()
	})
	switch denied, ok := errors.AsType[*ca.DeniedError](err); {
	case ok:
		return c.forbid(ctx, by, m.subject, denied)
	case errors.Is(err, store.ErrSpent):
		return conflictf("what two people have agreed on was used a moment ago")
	case err != nil:
		return err
	case waits != nil:
		c.log.WarnContext(ctx, "waits for another person", "proposal", waits.Code(), "kind", string(m.kind), "subject", m.subject, "actor", by.Name, "request", RequestID(ctx))
		return waits
	}
	return nil
}

// agreed finds out whether the motion may be done, and uses up what was agreed on. If it
// has to wait, waits says so.
func (c *council) agreed(ctx context.Context, tx *store.AloneTx, by Actor, m motion, waits **ConsentError) (g agreement, events []audit.Event, err error) {
	two, err := c.quorum(ctx, tx)
	if err != nil {
		return g, nil, err
	}
	if !two && m.alone() && by.host() {
		g.again, err = tx.Proposed(ctx)
		return g, nil, err
	}
	if !two { // but there may have been, whose certificates have run out since
		if p, err := tx.ProposalOf(ctx, digestOf(m.kind, by.Name, m.body)); err != nil || p.State != store.ProposalApproved || p.Lapsed(tx.Now()) {
			return g, nil, m.nobody()
		}
	}
	p, err := c.proposal(ctx, tx, by, m, &events)
	if err != nil {
		return g, nil, err
	}
	count, void, err := c.standing(ctx, tx, p.ID)
	if err != nil {
		return g, nil, err
	}
	if owners(count) < twoOwners {
		if p.State == store.ProposalApproved { // by somebody whose word is void since
			tx.MoveProposal(p.ID, store.ProposalApproved, store.ProposalOpen, by.Name)
			events = append(events, proposalEvent(ctx, &tx.Tx, by, "proposal.reopen", p, map[string]any{"void": void}))
		}
		*waits = &ConsentError{Proposal: p, void: void}
		return g, events, nil
	}
	if p.State == store.ProposalOpen { // the proposer's own word, just now, was what it lacked
		tx.MoveProposal(p.ID, store.ProposalOpen, store.ProposalApproved, by.Name)
	}
	tx.UseProposal(p.ID, p.Digest, by.Name)
	g.proposal = &p
	g.owners = make(map[string]string, len(count))
	for _, one := range count {
		g.people = append(g.people, one.Path)
		g.owners[one.Path] = one.Owner
	}
	return g, events, nil
}

// nobody says why the motion goes nowhere as long as there are no two people.
func (m motion) nobody() error {
	const two = "two people whose certificates have different owners have to agree, and there are no two yet"
	switch m.kind {
	case store.ProposeTombstone:
		return conflictf("%s is revoked, for good, unless two people lift that: %s", m.subject, two)
	case store.ProposePower:
		return &ca.DeniedError{Reason: two}
	}
	return &ca.DeniedError{Reason: two + ": until then it is for root on the CA's own host"}
}

// proposal returns the motion as it is on record, and puts it there, with the proposer's
// own word.
func (c *council) proposal(ctx context.Context, tx *store.AloneTx, by Actor, m motion, events *[]audit.Event) (store.Proposal, error) {
	digest := digestOf(m.kind, by.Name, m.body)
	p, err := tx.ProposalOf(ctx, digest)
	found := err == nil && !p.Lapsed(tx.Now())
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return p, err
	case found && p.State == store.ProposalDenied:
		return p, conflictf("%s was denied by %s; it may be proposed again after %s", api.ProposalCode(p.ID), p.DecidedBy, p.Expires.UTC().Format(time.RFC3339))
	case !found || p.State == store.ProposalUsed:
		if p, err = c.propose(ctx, tx, by, m, digest); err != nil {
			return p, err
		}
		owner, err := c.word(ctx, tx, by, p.ID)
		*events = append(*events, proposalEvent(ctx, &tx.Tx, by, "proposal.create", p, map[string]any{"reason": p.Reason, "expires": p.Expires.UTC(), "owner": owner}))
		return p, err
	}
	owner, err := c.word(ctx, tx, by, p.ID)
	if owner != "" { // by another certificate than before
		*events = append(*events, proposalEvent(ctx, &tx.Tx, by, "consent.give", p, map[string]any{"owner": owner, "approved": false, "reason": p.Reason}))
	}
	return p, err
}

// propose puts a motion on record.
func (c *council) propose(ctx context.Context, tx *store.AloneTx, by Actor, m motion, digest [32]byte) (store.Proposal, error) {
	if err := checkText(by.Reason, maxReason); err != nil {
		return store.Proposal{}, badRequest("reason: %v", err)
	}
	n, err := tx.ProposalsSince(ctx, by.Name, tx.Now().Add(-proposalTime))
	if err != nil {
		return store.Proposal{}, err
	}
	if n >= maxProposals {
		return store.Proposal{}, &RateLimitError{RetryAfter: time.Hour, Of: "proposals"}
	}
	p := store.Proposal{
		ID: randomID(), Kind: m.kind, Subject: m.subject, Digest: digest, Body: m.body, Reason: by.Reason, By: by.Name,
		Created: tx.Now(), Expires: tx.Now().Add(proposalTime), State: store.ProposalOpen,
	}
	tx.InsertProposal(p)
	return p, tx.Err()
}

// word records the proposer's own consent, if he holds a certificate, somebody answers
// for him, and it does not count already. It returns who answers, or "" if there was
// nothing to record.
func (c *council) word(ctx context.Context, tx *store.AloneTx, by Actor, id store.ProposalID) (owner string, err error) {
	if by.Serial == nil {
		return "", nil
	}
	person, err := c.person(ctx, tx, by)
	if err != nil || ownerKey(person.Owner) == "" {
		return "", err
	}
	all, err := tx.Consents(ctx, id)
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.Path == by.Name && k.Serial == *by.Serial && sameOwner(k.Owner, person.Owner) {
			return "", nil
		}
	}
	tx.InsertConsent(id, store.Consent{Path: by.Name, Owner: person.Owner, Serial: *by.Serial})
	return person.Owner, tx.Err()
}

func proposalEvent(ctx context.Context, tx *store.Tx, by Actor, action string, p store.Proposal, detail map[string]any) audit.Event {
	detail["proposal"], detail["kind"], detail["digest"], detail["proposed_by"] = api.ProposalCode(p.ID), string(p.Kind), fmt.Sprintf("%x", p.Digest), p.By
	return by.event(ctx, tx, action, p.Subject, detail)
}
