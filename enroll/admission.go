package enroll

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// An admission is a Claim on its way to a decision: what was found out of it so far.
type admission struct {
	r      *Registrar
	claim  Claim
	policy *ca.Policy
	req    ca.Request

	tpm      *Attestation // nil, like the others: not shown, or not good
	birth    *birthProof
	token    *tokenProof
	approval *approvalProof

	role     ca.Role
	parts    []part          // what counts, the strongest first
	who      ca.Identity     // whom all of it names, as policy judges it; the zero ID: nobody yet
	identity *store.Identity // on record; nil: not
	entry    entry
}

// authenticate finds out which credentials are good. Whoever shows one that is not is a
// stranger; that is on record already.
func (a *admission) authenticate(ctx context.Context) error {
	var err error
	role := a.claim.Role
	if a.claim.Token != "" || !a.claim.shows() && !a.claim.Ask {
		if a.token, err = a.r.bearer(ctx, a.claim.Token, a.claim.From); err != nil {
			return err
		}
		a.token.replayable = a.claim.Replayable
		a.who.ID = a.token.unnamed().Identity.ID
		role = a.token.token.Role
	}
	if a.tpm = a.claim.TPM; a.tpm != nil {
		a.parts = append(a.parts, a.tpm)
		if a.token == nil {
			role = a.tpm.identity.Role
		}
	}
	if len(a.claim.Birth) > 0 && a.wantsBirth(role) {
		if a.birth, err = a.r.birth(ctx, a.policy, a.claim, role); err != nil {
			return err
		}
		a.parts = append(a.parts, a.birth)
	}
	if a.token != nil {
		a.parts = append(a.parts, a.token)
	}
	return nil
}

// wantsBirth reports whether the birth certificate is looked at. Beside another credential,
// where the role makes nothing of it, it is only what a TLS client happened to present.
func (a *admission) wantsBirth(role string) bool {
	found, _ := a.policy.Role(role)
	return a.token == nil && a.tpm == nil && !a.claim.Ask || role == "" || slices.Contains(found.Methods, ca.MethodBirth)
}

// judge finds out for whom the claim speaks, and whether that is enough. known is what
// the store is bound to say when the proofs are used up.
func (a *admission) judge(ctx context.Context) (known, err error) {
	if err := a.chooseRole(); err != nil {
		return nil, err
	}
	if err := a.identify(ctx); err != nil {
		return nil, err
	}
	if why := a.unfit(); why != "" {
		return nil, a.denied(why)
	}
	a.network()
	if lack := a.lacks(); lack != "" {
		if err := a.ask(ctx, lack); err != nil {
			return nil, err
		}
	}
	return a.enters(ctx)
}

// chooseRole finds the role that everything is for, which must take every credential
// that is shown.
func (a *admission) chooseRole() error {
	name := a.claim.Role
	switch {
	case a.token != nil:
		name = a.token.token.Role
	case a.tpm != nil:
		name = a.tpm.identity.Role
	case a.birth != nil:
		name = a.birth.role
	}
	var ok bool
	a.role, ok = a.policy.Role(name)
	a.role.Name = name
	switch {
	case len(a.parts) == 0:
		return nil // whether there is such a role is nothing for strangers
	case name == "":
		return a.denied(fmt.Sprintf("a device with the serial number %q could be in more than one role: the request has to say in which", a.birth.serial))
	case a.claim.Role != "" && a.claim.Role != name:
		return a.denied("what was shown is for this role and no other")
	case !ok:
		return &ca.DeniedError{ID: a.who.ID, Reason: "there is no such role"}
	}
	for _, p := range a.parts {
		if !slices.Contains(a.role.Methods, p.method()) {
			denied := a.denied(fmt.Sprintf("method %q is not allowed", p.method()))
			denied.Setting = "methods"
			return denied
		}
	}
	if a.tpm != nil && a.tpm.spki != a.req.SPKI() {
		return a.denied("the key is not the one that its TPM has attested")
	}
	if a.birth != nil && a.birth.spki == a.req.SPKI() {
		return &ca.DeniedError{Rule: name, Reason: "the key is that of its birth certificate: it must make a new one", Key: true}
	}
	return nil
}

// identify finds the identity that the credentials name. If they name two, somebody has
// what is not his.
func (a *admission) identify(ctx context.Context) error {
	var named []*store.Identity
	if a.tpm != nil {
		named = append(named, &a.tpm.identity)
	}
	if a.birth != nil && a.birth.identity != nil {
		named = append(named, a.birth.identity)
	}
	if a.birth != nil && a.birth.former != nil {
		if a.birth.former.Role != a.role.Name {
			return a.otherRole(ctx)
		}
		named = append(named, a.birth.former)
	}
	if a.token != nil && a.token.identity != nil {
		named = append(named, a.token.identity)
	}
	if a.approval != nil && a.approval.identity != nil {
		named = append(named, a.approval.identity)
	}
	for _, other := range named {
		if other.Path != named[0].Path {
			return a.contradiction(ctx, named[0].Path, other.Path)
		}
		a.identity = named[0]
	}
	var id ca.ID
	var err error
	switch {
	case a.token != nil:
		id, err = a.token.identify(ctx, a.req, a.identity)
	case a.identity != nil:
		id, err = ca.ParsePath(a.r.issuers.TrustDomain(), a.identity.Path)
	}
	if err != nil {
		return err
	}
	a.who = ca.Identity{ID: id, Revision: 1}
	if a.identity != nil {
		a.who, err = a.r.identity(*a.identity, "", a.claim.From)
	}
	if a.tpm != nil {
		a.who.Attested = &a.tpm.spki
	}
	return err
}

// contradiction alarms about two identities of one claim. Both are suspect: who has lost
// a credential, and who has found it, is for people to find out.
func (a *admission) contradiction(ctx context.Context, one, other string) error {
	proof := a.applicant().Proof.String()
	a.r.tally.refuse(ReasonProofs)
	err := a.r.accuse(ctx, a.claim.From, nil, audit.Event{
		Action: "identity.suspect", Actor: stranger, Subject: one, Address: address(a.claim.From), Outcome: "showed credentials of two identities",
		RequestID: RequestID(ctx), Detail: map[string]any{"proof": proof, "other": other},
	}, one, other)
	if err != nil {
		return err
	}
	return recorded{&ca.DeniedError{Rule: a.role.Name, Reason: "what was shown is of two identities"}}
}

// unfit says why the role does not take the request as it was made, or "".
func (a *admission) unfit() string {
	if a.claim.ServerKey && !a.role.ServerKeys {
		return "its members make their keys themselves: server_keys is not set"
	}
	return a.claim.Channel.refusal(a.role.ChannelBinding)
}

// network counts the network that the caller speaks from, if the role, or the token,
// names it.
func (a *admission) network() {
	from := a.claim.From.Unmap().WithZone("")
	i := slices.IndexFunc(a.role.Networks, func(p netip.Prefix) bool { return p.Contains(from) })
	switch {
	case i >= 0:
		a.parts = append(a.parts, networkProof{network: a.role.Networks[i]})
	case a.token != nil && a.token.token.Network.IsValid(): // bearer saw to it
		a.parts = append(a.parts, networkProof{a.token.token.Network, true})
	}
}

// denied refuses whoever has shown something good, with the reason.
func (a *admission) denied(reason string) *ca.DeniedError {
	return &ca.DeniedError{ID: a.who.ID, Rule: a.role.Name, Reason: reason}
}

// shown reports whether a good credential was shown.
func (a *admission) shown() bool { return a.tpm != nil || a.birth != nil || a.token != nil }

// refuse records why the claim gets nothing, and returns err.
func (a *admission) refuse(ctx context.Context, err error) error {
	if a.shown() {
		return a.r.refuse(ctx, a.applicant(), err)
	}
	if refusal(err) {
		a.r.tally.refuse(reasonOf(err))
		a.r.refusals.add(audit.Event{
			Action: "request.refuse", Actor: stranger, Address: address(a.claim.From), Outcome: err.Error(), RequestID: RequestID(ctx),
		})
	}
	return err
}

// applicant is who asks, as far as is known.
func (a *admission) applicant() Applicant {
	proof := &allOf{r: a.r, parts: a.parts, identity: a.identity, entry: a.entry, role: a.role.Name}
	if a.token != nil {
		proof.owner = a.token.token.Owner
	}
	who := Applicant{Identity: a.who, Proof: proof, about: a.r.clock(a.claim.Sent, map[string]any{"proofs": proof.names()})}
	who.Identity.Source, who.Identity.Proofs = a.claim.From, len(a.parts)
	if len(a.parts) > 0 {
		who.Identity.Method = a.parts[0].method()
	}
	return who
}

// Foreign reports whether a client certificate that was presented in TLS is not one of
// ours, and so may be a birth certificate.
func (r *Registrar) Foreign(cert *x509.Certificate) bool { return r.issuers.Chain(cert) == nil }
