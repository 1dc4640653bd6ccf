package enroll

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// An admission is a Claim on its way to a decision: what was found out of it so far.
type admission struct {
	r      *Registrar
	claim  Claim
	policy *ca.Policy
	req    ca.Request

	token *tokenProof // nil: none was shown

	role     ca.Role
	parts    []part          // what counts, the strongest first
	who      ca.Identity     // whom all of it names, as policy judges it; the zero ID: nobody yet
	identity *store.Identity // on record; nil: not
}

// authenticate finds out which credentials are good. Whoever shows one that is not is a
// stranger; that is on record already.
func (a *admission) authenticate(ctx context.Context) error {
	var err error
	if a.claim.Token != "" || !a.claim.shows() {
		if a.token, err = a.r.bearer(ctx, a.claim.Token, a.claim.From); err != nil {
			return err
		}
		a.parts = append(a.parts, a.token)
		a.who.ID = a.token.unnamed().Identity.ID
	}
	return nil
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
	if network, ok := a.network(); ok {
		a.parts = append(a.parts, networkProof{network.String()})
	}
	if err := a.lacks(); err != nil {
		return nil, err
	}
	return a.enters()
}

// chooseRole finds the role that everything is for, which must take every credential
// that is shown.
func (a *admission) chooseRole() error {
	name := a.token.token.Role
	a.role.Name = name
	if a.claim.Role != "" && a.claim.Role != name {
		return a.denied("the token is for this role and no other")
	}
	var ok bool
	if a.role, ok = a.policy.Role(name); !ok {
		return &ca.DeniedError{ID: a.who.ID, Reason: "there is no such role"}
	}
	for _, p := range a.parts {
		if !slices.Contains(a.role.Methods, p.method()) {
			return a.denied(fmt.Sprintf("method %q is not allowed", p.method()))
		}
	}
	return nil
}

// identify finds the identity that the credentials name.
func (a *admission) identify(ctx context.Context) error {
	a.identity = a.token.identity
	id, err := a.token.identify(ctx, a.req, a.identity)
	if err != nil {
		return err
	}
	a.who = ca.Identity{ID: id, Revision: 1}
	if a.identity != nil {
		a.who, err = a.r.identity(*a.identity, "", a.claim.From)
	}
	return err
}

// unfit says why the role does not take the request as it was made, or "".
func (a *admission) unfit() string {
	if a.claim.ServerKey && !a.role.ServerKeys {
		return "its members make their keys themselves: server_keys is not set"
	}
	return a.claim.Channel.refusal(a.role.ChannelBinding)
}

// denied refuses whoever has shown something good, with the reason.
func (a *admission) denied(reason string) error {
	return &ca.DeniedError{ID: a.who.ID, Rule: a.role.Name, Reason: reason}
}

// network returns which of the role's networks, or the token's, the caller speaks from.
func (a *admission) network() (netip.Prefix, bool) {
	from := a.claim.From.Unmap().WithZone("")
	networks := a.role.Networks
	if a.token != nil && a.token.token.Network.IsValid() {
		networks = append(networks, a.token.token.Network) // bearer saw to it
	}
	i := slices.IndexFunc(networks, func(p netip.Prefix) bool { return p.Contains(from) })
	if i < 0 {
		return netip.Prefix{}, false
	}
	return networks[i], true
}

// lacks says what is missing to be enough proof, or nil.
func (a *admission) lacks() error {
	if len(a.parts) >= a.role.Proofs {
		return nil
	}
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
		{ca.MethodApproval, "a person's approval, which it must ask for"},
	} {
		if slices.Contains(a.role.Methods, m.method) && !slices.ContainsFunc(a.parts, func(p part) bool { return p.method() == m.method }) {
			more = append(more, m.name)
		}
	}
	return a.denied(fmt.Sprintf("it takes %d independent proofs, and this is %d (%s); there is also: %s",
		a.role.Proofs, len(shown), strings.Join(shown, ", "), strings.Join(more, ", ")))
}

// enters says whether the identity, as it is on record, may get a first certificate.
func (a *admission) enters() (known, err error) {
	if known := a.token.known(); known != nil || a.identity == nil {
		return known, nil // what it was spent for is what counts
	}
	return nil, a.token.admits(a.who.ID)
}

// applicant is who asks, as far as is known.
func (a *admission) applicant() Applicant {
	proof := &allOf{r: a.r, parts: a.parts, identity: a.identity}
	if a.token != nil {
		proof.owner = a.token.token.Owner
	}
	who := Applicant{Identity: a.who, Proof: proof, about: map[string]any{"proofs": proof.names()}}
	who.Identity.Source, who.Identity.Proofs = a.claim.From, len(a.parts)
	if len(a.parts) > 0 {
		who.Identity.Method = a.parts[0].method()
	}
	return who
}
