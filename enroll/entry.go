package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An entry is how the identity of an admission becomes one that gets certificates.
type entry int

const (
	entryFirst    entry = iota // it is new, or was pending
	entryReplaces              // it is active, and what it holds is superseded
	entryAnew                  // it is active, and holds nothing any more
	entryLifted                // it was revoked, and two people have lifted that
)

// lacks says what is missing to be enough proof, or "".
func (a *admission) lacks() string {
	switch {
	case len(a.parts) < a.role.Proofs:
		return a.tooFew()
	case a.birth != nil && a.birth.identity == nil && a.approval == nil:
		// It is a device of that make, and says nothing of whose: anybody can buy one.
		return fmt.Sprintf("a device with the serial number %q is not in the inventory (betonica identity import)", a.birth.serial)
	case a.tpm != nil && !a.tpm.listed && a.approval == nil && (a.token == nil || !a.token.token.Exact) && (a.birth == nil || a.birth.identity == nil):
		// Its attestation key's certificate outlives the token that it was got by.
		return "a join token alone says whose its TPM is: the token has to be shown as well"
	case a.who.ID.IsZero():
		return "nothing that was shown says who it is"
	}
	return ""
}

// tooFew says which proofs the role takes beside those that were shown.
func (a *admission) tooFew() string {
	var shown, more []string
	for _, p := range a.parts {
		kind, _, _ := strings.Cut(p.String(), ":")
		shown = append(shown, kind)
	}
	for _, m := range []struct {
		method ca.Method
		name   string
	}{
		{ca.MethodToken, "a join token"}, {ca.MethodBirth, "its birth certificate"}, {ca.MethodTPM, "its TPM"},
		{ca.MethodApproval, "a person's approval, which it has to ask for"},
	} {
		has := slices.ContainsFunc(a.parts, func(p part) bool { return p.method() == m.method })
		if !has && slices.Contains(a.role.Methods, m.method) {
			more = append(more, m.name)
		}
	}
	return fmt.Sprintf("it takes %d independent proofs, and %d was shown (%s); there is also: %s",
		a.role.Proofs, len(shown), strings.Join(shown, ", "), strings.Join(more, ", "))
}

// ask has a person say what is missing, if that is all and the claim would wait for it.
func (a *admission) ask(ctx context.Context, lack string) error {
	could := a.claim.Ask && len(a.parts)+1 >= a.role.Proofs
	if a.shown() && !(could && approvable(a.role)) {
		denied := a.denied(lack)
		if len(a.parts) < a.role.Proofs {
			denied.Setting = "proofs"
		}
		return denied
	}
	if !could { // what a stranger lacks is nothing for strangers
		a.r.refuseStranger(ctx, ReasonProofs, "", a.claim.From, "asked for approval, where that is not enough")
		return ErrUnauthenticated
	}
	if a.identity != nil && a.identity.State != store.Pending && a.identity.State != store.Active {
		return notActive(a.who.ID, *a.identity) // which nobody approves away
	}
	q := asking{req: a.req, csr: a.claim.CSR, role: a.role.Name, identity: a.who.ID.Path(), from: a.claim.From}
	if len(a.parts) > 0 {
		q.proofs = a.applicant().Proof.String()
	}
	var err error
	if a.approval, err = a.r.approval(ctx, q); err != nil {
		if refusal(err) {
			err = recorded{err}
		}
		return err
	}
	// Before the network, which is the weakest, and behind everything else.
	at := len(a.parts)
	if at > 0 && a.parts[at-1].method() == "" {
		at--
	}
	a.parts = slices.Insert(a.parts, at, part(a.approval))
	if err := a.identify(ctx); err != nil {
		return err
	}
	if a.who.ID.Path() != a.approval.request.Identity {
		return a.denied(fmt.Sprintf("it was approved as %s", a.approval.request.Identity))
	}
	return a.otherDevice(ctx)
}

// otherDevice refuses a device that the inventory does not know as an identity that it
// knows as another one, whoever approved that.
func (a *admission) otherDevice(ctx context.Context) error {
	if a.birth == nil || a.birth.identity != nil {
		return nil
	}
	v, err := a.r.store.DeviceOf(ctx, a.who.ID.Path())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.denied(fmt.Sprintf("the inventory has it with the serial number %q, and this is %q", v.Serial, a.birth.serial))
}

// enters says whether the identity, as it is on record, may get a first certificate, and
// how. known is what the store is bound to say when the proofs are used up.
func (a *admission) enters(ctx context.Context) (known, err error) {
	if a.token != nil && a.token.known() != nil {
		return a.token.known(), nil // what it was spent for is what counts
	}
	if a.tpm != nil {
		if known, err := a.tpm.known(ctx); known != nil || err != nil {
			return known, err
		}
	}
	if a.approval != nil && a.approval.known() != nil {
		return a.approval.known(), nil
	}
	if a.identity == nil {
		return nil, nil
	}
	replaces := a.token != nil && a.token.token.Replace || a.approval != nil && a.approval.request.Replace
	if a.birth != nil {
		a.birth.replaces = replaces
		if key := a.identity.BirthSPKI; len(key) > 0 && !bytes.Equal(key, a.birth.spki[:]) && !replaces {
			return nil, a.otherBirth(ctx)
		}
	}
	switch a.identity.State {
	case store.Pending:
		return nil, nil
	case store.Revoked:
		if a.token != nil && a.token.token.Exact && a.token.token.Lifts {
			a.entry = entryLifted
			return nil, nil
		}
	case store.Active:
		if replaces {
			a.entry = entryReplaces
			return nil, nil
		}
		return a.again(ctx)
	}
	return nil, notActive(a.who.ID, *a.identity)
}

// again is enters for an identity that has enrolled before.
func (a *admission) again(ctx context.Context) (known, err error) {
	switch {
	case a.token != nil && a.token.token.Exact:
		return nil, a.token.admits(a.who.ID)
	case a.token != nil:
		return nil, a.denied("the identity exists: it takes a token that is bound to it")
	}
	until, err := a.r.store.LiveUntil(ctx, a.identity.Path)
	switch {
	case err != nil:
		return nil, err
	case until.IsZero():
		a.entry = entryAnew
		return nil, nil
	case a.approval != nil:
		now, err := a.r.store.Request(ctx, a.approval.request.ID)
		if err == nil && now.State == store.RequestUsed { // since it was read: for this very key
			return store.ErrSpent, nil
		}
		return nil, a.approval.admits(a.who.ID)
	}
	return store.ErrSpent, nil
}

// otherRole alarms about a device that is an identity of another role already: it is one
// machine, and there is one identity for it.
func (a *admission) otherRole(ctx context.Context) error {
	former := a.birth.former
	a.r.tally.refuse(ReasonProofs)
	err := a.r.accuse(ctx, a.claim.From, nil, audit.Event{
		Action: "identity.suspect", Actor: stranger, Subject: former.Path, Address: address(a.claim.From),
		Outcome:   "came with its birth certificate as one of another role",
		RequestID: RequestID(ctx), Detail: map[string]any{"proof": a.birth.String(), "role": a.role.Name},
	}, former.Path)
	if err != nil {
		return err
	}
	return recorded{&ca.DeniedError{Rule: a.role.Name, Reason: "its birth certificate is that of an identity of another role, which has to be retired first"}}
}

// otherBirth alarms about a second birth certificate for one serial number: a forged
// device, or one whose board was changed.
func (a *admission) otherBirth(ctx context.Context) error {
	a.r.tally.refuse(ReasonProofs)
	err := a.r.accuse(ctx, a.claim.From, nil, audit.Event{
		Action: "identity.suspect", Actor: stranger, Subject: a.identity.Path, Address: address(a.claim.From),
		Outcome:   "came with another birth certificate than before",
		RequestID: RequestID(ctx), Detail: map[string]any{"proof": a.birth.String()},
	}, a.identity.Path)
	if err != nil {
		return err
	}
	return recorded{a.denied("it has come with another birth certificate before: if its board was changed, give it a join token made with --replace as well")}
}
