package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Finalize issues the certificate of an order, for the key of a CSR in DER (RFC
// 8555, Section 7.4): o and authz are the order and its authorizations as the
// account was just shown them. Whose the order is, and what policy says, is judged
// now; that the account, its token, the order and every authorization are still
// good, in the transaction that records the certificate and turns the order valid.
//
// The names of the CSR, its common name among them, must be exactly those of the
// order, or it is a [*ca.RequestError]; so is a key other than the one that was
// attested. An order that has its certificate returns it again for the same key,
// and is store.ErrSpent for another one, as an order is that has become too old.
// The other errors are those of Issue and of Binding.
func (r *Registrar) Finalize(ctx context.Context, acc store.HeldAccount, o store.Order, authz []store.Authorization, csr []byte, from netip.Addr) (*x509.Certificate, error) {
	id, err := ca.ParsePath(r.issuers.TrustDomain(), o.Identity)
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", o.ID, err)
	}
	proof := &orderProof{r: r, account: acc.ID, order: o}
	a := Applicant{
		Identity: ca.Identity{ID: id, Method: ca.MethodACME, Source: from}, Proof: proof,
		about: map[string]any{"order": o.ID.String(), "account": acc.ID.String()},
	}
	if o.Account != acc.ID {
		return nil, r.refuse(ctx, a, &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the order is another account's"})
	}
	req, err := orderRequest(id, o, authz, csr)
	if err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	if o.Serial != nil {
		return r.issue(ctx, a, req, store.ErrSpent) // nothing is decided anew: it was
	}
	b, err := r.bind(ctx, acc, id.Role(), "", []store.OrderIdentifier{{Identifier: store.Identifier{Value: id.Name()}}}, from)
	if err != nil {
		return nil, r.refuse(ctx, a, denied(id, err))
	}
	if b.identity.ID != id {
		return nil, r.refuse(ctx, a, &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the account is bound to another identity"})
	}
	if err := b.authorized(o, authz); err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	req = b.subjectApart(r.Policies.Current(), o, req)
	a.Identity = b.holding(authz, req)
	proof.create = b.create
	return r.issue(ctx, a, req, nil)
}

// denied is err as one of those that Issue returns.
func denied(id ca.ID, err error) error {
	switch err.(type) {
	case *ProfileError, *IdentifierError:
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: err.Error()}
	}
	return err
}

// authorized refuses an order with an identifier that was not validated, and that
// the identity is not covered for now.
func (b Binding) authorized(o store.Order, authz []store.Authorization) error {
	for _, id := range o.Identifiers {
		shown := slices.ContainsFunc(authz, func(a store.Authorization) bool {
			return a.Account == o.Account && validated(a) && a.Identifier == id.Identifier && a.Wildcard == id.Wildcard
		})
		if !shown && !b.Covered(id) {
			return &ca.DeniedError{ID: b.identity.ID, Rule: b.Role(), Reason: fmt.Sprintf("%s %q is neither on record nor validated", id.Type, dnsName(id))}
		}
	}
	return nil
}

// subjectApart returns the request without the identity's own name, which its
// certificate has as the common name, where the role covers no such DNS name and
// the order has others.
func (b Binding) subjectApart(policy *ca.Policy, o store.Order, req ca.Request) ca.Request {
	for _, id := range o.Identifiers {
		if len(o.Identifiers) > 1 && b.isSubject(id) && policy.CoversDNS(b.identity.ID, dnsName(id)) != nil {
			return req.WithoutDNS(dnsName(id))
		}
	}
	return req
}

// validated reports whether control of the identifier was shown, and not taken for
// granted; of a device's own name with the key that was attested. That the
// authorization is in time is for the store to say.
func validated(a store.Authorization) bool {
	return a.Status == store.AuthorizationValid && a.Token != "" && (a.Type != identifierPermanent || len(a.SPKI) == sha256.Size)
}

// holding returns the identity as policy judges it: with the names that were
// validated, and on record no names that nobody asked for.
func (b Binding) holding(authz []store.Authorization, req ca.Request) ca.Identity {
	id := b.identity
	if len(req.DNSNames())+len(req.IPs()) == 0 {
		id.DNSNames, id.IPs = nil, nil // a certificate has the names of its order
	}
	for _, a := range authz {
		if !validated(a) {
			continue
		}
		switch a.Type {
		case identifierPermanent:
			id.Attested = (*[32]byte)(a.SPKI) // of 32 bytes: validated saw to it
		case identifierDNS:
			id.ValidatedDNS = append(id.ValidatedDNS, dnsName(store.OrderIdentifier{Identifier: a.Identifier, Wildcard: a.Wildcard}))
		case identifierIP:
			if addr, err := netip.ParseAddr(a.Value); err == nil {
				id.ValidatedIPs = append(id.ValidatedIPs, addr)
			}
		}
	}
	return id
}
