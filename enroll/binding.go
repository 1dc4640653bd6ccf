package enroll

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// A Binding says whose names an order of an ACME account is for: the identity that
// the account is bound to or, for an account without external binding, the one
// that the order's first identifier names.
type Binding struct {
	identity ca.Identity // method acme
	create   bool        // it is not on record: an unbound account's certificate makes it
	bound    bool
}

// Path returns the identity's path, such as "device/pump-7".
func (b Binding) Path() string { return b.identity.ID.Path() }

// Role returns the identity's role.
func (b Binding) Role() string { return b.identity.ID.Role() }

// Covered reports whether the account may have the identifier without showing that
// it controls it: a DNS name or an address that the identity would be given for a
// join token. Nothing is covered of an unbound account, nor is a wildcard, or a
// permanent identifier, which takes the device's attestation.
func (b Binding) Covered(id store.OrderIdentifier) bool {
	if !b.bound || id.Wildcard {
		return false
	}
	if b.isSubject(id) {
		return true
	}
	anything := len(b.identity.DNSNames)+len(b.identity.IPs) == 0 // what the role covers, as all of the order is
	switch id.Type {
	case identifierDNS:
		return anything || slices.Contains(b.identity.DNSNames, id.Value)
	case identifierIP:
		addr, err := netip.ParseAddr(id.Value)
		return err == nil && (anything || slices.Contains(b.identity.IPs, addr))
	}
	return false
}

// Binding finds out whom an order of the account for these identifiers is for. A
// profile is a role: that of the identity, which "" stands for, too; of an unbound
// account the one that it chooses, or defaultRole. Policy decides again when the
// order is finalized.
//
// It returns an [*IdentifierError] for every identifier that the identity cannot
// have whatever is shown, joined by errors.Join; a [*ProfileError]; or a
// [*ca.DeniedError] if the account, the identity or its role stands against it.
// All are recorded.
func (r *Registrar) Binding(ctx context.Context, acc store.HeldAccount, profile, defaultRole string, ids []store.OrderIdentifier, from netip.Addr) (Binding, error) {
	b, err := r.bind(ctx, acc, profile, defaultRole, ids, from)
	if err == nil {
		err = b.covers(r.Policies.Current(), ids)
	}
	if err != nil {
		return Binding{}, r.refuseAccount(ctx, acc.Account, b.Path(), from, err)
	}
	return b, nil
}

// isSubject reports whether the identifier is the identity's own name, which a
// bound account may order beside others: a client that renews may take it from the
// common name of the certificate that it has, as certbot does. It stands there
// again, and is no DNS name of the certificate unless the role covers it.
func (b Binding) isSubject(id store.OrderIdentifier) bool {
	return b.bound && id.Type == identifierDNS && strings.EqualFold(dnsName(id), b.identity.ID.Name())
}

// AttestationRoots returns the authorities that vouch for the TPMs of a role.
func (r *Registrar) AttestationRoots(role string) []*x509.Certificate {
	found, _ := r.Policies.Current().Role(role) // of no role: none
	return found.AttestationRoots
}

// bind finds the identity, and sees that it may ask for anything at all.
func (r *Registrar) bind(ctx context.Context, acc store.HeldAccount, profile, defaultRole string, ids []store.OrderIdentifier, from netip.Addr) (Binding, error) {
	err := r.good(acc)
	if err != nil {
		return Binding{bound: acc.Holder != nil}, err
	}
	var b Binding
	if acc.Holder != nil {
		b, err = r.bindBound(*acc.Holder, profile, from)
	} else {
		b, err = r.bindUnbound(ctx, cmp.Or(profile, defaultRole), ids, from)
	}
	if err != nil {
		return b, err
	}
	return b, r.Policies.Current().Admits(b.identity)
}

// bindBound is bind for an account that is bound to the identity on record.
func (r *Registrar) bindBound(record store.Identity, profile string, from netip.Addr) (Binding, error) {
	b := Binding{bound: true}
	var err error
	if b.identity, err = r.identity(record, ca.MethodACME, from); err != nil {
		return b, err
	}
	switch {
	case record.State != store.Active:
		return b, notActive(b.identity.ID, record)
	case profile != "" && profile != record.Role:
		return b, &ProfileError{Profile: profile}
	}
	return b, nil
}

// good reports whether the account, as it was read, may ask for certificates at
// all: a [*ca.DeniedError] if it may not.
func (r *Registrar) good(acc store.HeldAccount) error {
	var id ca.ID
	if acc.Identity != "" {
		if acc.Holder == nil {
			return fmt.Errorf("account %s: its identity %s is not on record", acc.ID, acc.Identity)
		}
		var err error
		if id, err = ca.ParsePath(r.issuers.TrustDomain(), acc.Holder.Path); err != nil {
			return fmt.Errorf("identity on record: %w", err)
		}
	}
	switch {
	case acc.Status != store.AccountValid:
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: fmt.Sprintf("the account is %s", acc.Status)}
	case acc.TokenRevoked:
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the token that bound the account is revoked"}
	}
	return nil
}

// bindUnbound finds the identity that the first identifier names in the role.
// Nobody becomes one who manages machines, or the CA, without a token.
func (r *Registrar) bindUnbound(ctx context.Context, role string, ids []store.OrderIdentifier, from netip.Addr) (Binding, error) {
	policy := r.Policies.Current()
	if _, ok := policy.Role(role); !ok || role == ca.RoleCA || ca.Privileged(role) {
		return Binding{}, &ProfileError{Profile: role}
	}
	if len(ids) == 0 {
		return Binding{}, badRequest("an order without identifiers")
	}
	id, err := ca.NewID(r.issuers.TrustDomain(), role, ids[0].Value)
	if err != nil {
		return Binding{}, &IdentifierError{Identifier: ids[0], Reason: err.Error()}
	}
	b := Binding{identity: ca.Identity{ID: id, Revision: 1, Method: ca.MethodACME, Source: from}, create: true}
	record, err := r.store.Identity(ctx, id.Path())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return b, policy.AllowsName(role, id.Name())
	case err != nil:
		return b, err
	case record.State != store.Active:
		return b, notActive(id, record)
	}
	b.create = false
	b.identity, err = r.identity(record, ca.MethodACME, from)
	return b, err
}

// covers refuses every identifier that policy has no place for.
func (b Binding) covers(policy *ca.Policy, ids []store.OrderIdentifier) error {
	var errs []error
	beside := slices.ContainsFunc(ids, func(id store.OrderIdentifier) bool { return !b.isSubject(id) })
	for _, id := range ids {
		if beside && b.isSubject(id) {
			continue
		}
		if reason := b.refuses(policy, id); reason != "" {
			errs = append(errs, &IdentifierError{Identifier: id, Reason: reason})
		}
	}
	return errors.Join(errs...)
}

func (b Binding) refuses(policy *ca.Policy, id store.OrderIdentifier) string {
	var err error
	switch id.Type {
	case identifierDNS:
		err = policy.CoversDNS(b.identity.ID, dnsName(id))
	case identifierIP:
		var addr netip.Addr
		if addr, err = netip.ParseAddr(id.Value); err == nil {
			err = policy.CoversIP(b.identity.ID, addr)
		}
	case identifierPermanent:
		if id.Value != b.identity.ID.Name() {
			return "it is another device's"
		}
	default:
		return "an identifier of this type is not accepted"
	}
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return denied.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
