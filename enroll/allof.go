package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// A part is one of the proofs of a first enrolment. Its Settle uses up itself, and
// leaves the identity to allOf.
type part interface {
	Proof
	method() ca.Method // "" for what names nobody
}

// A binder is a part that its identity remembers.
type binder interface {
	bind(tx *store.Tx, cert *store.Certificate)
}

// allOf is every proof that a first enrolment takes, as one: all of them are good, or
// nothing is issued.
type allOf struct {
	r        *Registrar
	parts    []part
	role     string
	identity *store.Identity // on record; nil: it is created
	owner    string          // of the one that is created
	entry    entry
}

// String joins the names of the parts.
func (p *allOf) String() string { return strings.Join(p.names(), "+") }

func (p *allOf) names() []string {
	names := make([]string, len(p.parts))
	for i, part := range p.parts {
		names[i] = part.String()
	}
	return names
}

// Settle uses up the parts, and makes the identity one that gets certificates, at the
// revision that was decided on.
func (p *allOf) Settle(tx *store.Tx, cert *store.Certificate) {
	for _, part := range p.parts {
		part.Settle(tx, cert)
	}
	p.enter(tx, cert)
	for _, part := range p.parts {
		if b, ok := part.(binder); ok {
			b.bind(tx, cert)
		}
	}
	cert.Rekey = true
}

func (p *allOf) enter(tx *store.Tx, cert *store.Certificate) {
	switch {
	case p.identity == nil:
		role, name, _ := strings.Cut(cert.Identity, "/")
		tx.CreateIdentity(store.Identity{Path: cert.Identity, Role: role, Name: name, Owner: p.owner, State: store.Active})
	case p.identity.State == store.Pending && p.usesUp():
		tx.ActivateIdentity(cert.Identity, cert.Revision)
	case p.identity.State == store.Pending:
		tx.ActivateOnce(cert.Identity, cert.Revision)
	default:
		// Whoever has copies of the old keys, an account's too, holds nothing any more.
		tx.RevokeAccounts(cert.Identity)
		if len(p.identity.EK) > 0 {
			tx.FreeTPM(cert.Identity) // until a part binds it again
		}
		switch p.entry {
		case entryReplaces:
			tx.ReplaceCertificates(cert.Identity, cert.Revision)
			tx.ClearSuspect(cert.Identity)
		case entryLifted:
			tx.LiftIdentity(cert.Identity, cert.Revision)
		default:
			tx.EnrolAnew(cert.Identity, cert.Revision)
		}
		cert.Revision++
	}
}

// usesUp reports whether a part is used up, so that it is the first to notice that
// somebody else was faster.
func (p *allOf) usesUp() bool {
	return slices.ContainsFunc(p.parts, func(part part) bool {
		return part.method() == ca.MethodToken || part.method() == ca.MethodApproval
	})
}

// Unmet asks each part what it means: the first that knows more than err has it. Those
// come first that know their bearer for as long as he lives, whatever became of the
// others. If none does it is about the identity.
func (p *allOf) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	if errors.Is(err, store.ErrKeyTaken) {
		if err := p.othersKey(ctx, key, err); err != nil {
			return nil, err
		}
	}
	for _, part := range p.parts {
		cert, e := part.Unmet(ctx, key, err)
		if e == nil {
			return cert, nil
		}
		if !errors.Is(e, err) {
			return nil, e
		}
	}
	if errors.Is(err, store.ErrSpent) && p.identity != nil {
		return nil, p.holds(ctx)
	}
	return nil, err
}

// othersKey alarms, once, if the key is another identity's, and returns err.
func (p *allOf) othersKey(ctx context.Context, key [32]byte, err error) error {
	path := ""
	if p.identity != nil {
		path = p.identity.Path
	}
	prior, e := p.r.byKey(ctx, key)
	if e != nil || prior == nil || prior.Identity.Path == path || path == "" && prior.Certificate.Token != nil {
		return e // a pattern's token knows whom it has made
	}
	return p.r.keyTaken(ctx, path, p.String(), prior, err)
}

// holds says why the identity cannot enrol as it is now, where nothing is used up but
// that it holds no certificate.
func (p *allOf) holds(ctx context.Context) error {
	now, err := p.r.store.Identity(ctx, p.identity.Path)
	if err != nil {
		return err
	}
	id, err := ca.ParsePath(p.r.issuers.TrustDomain(), now.Path)
	if err != nil {
		return err
	}
	if now.State != store.Active {
		return notActive(id, now)
	}
	until, err := p.r.store.LiveUntil(ctx, now.Path)
	if err != nil {
		return err
	}
	if until.IsZero() {
		return store.ErrStale
	}
	err = &ca.DeniedError{ID: id, Rule: now.Role, Reason: fmt.Sprintf(
		"it has enrolled already, and what it holds is good until %s: if its key is lost, revoke that first (betonica revoke --serial), or give it a join token made with --replace",
		until.Format(time.RFC3339))}
	for _, part := range p.parts {
		if birth, ok := part.(*birthProof); ok && p.parts[0] == part { // that of a chip is no copy
			if e := birth.reused(ctx, now.Path, until); e != nil {
				return e
			}
			return recorded{err}
		}
	}
	return err
}

// stands reports whether the parts are as good under another policy, which changed while
// they were used up. Whether the role takes the first of them, and how many it takes, is
// for Decide to say.
func (p *allOf) stands(policy *ca.Policy) bool {
	role, ok := policy.Role(p.role)
	if !ok || len(p.parts) == 0 || !slices.Contains(role.Methods, p.parts[0].method()) {
		return true
	}
	return !slices.ContainsFunc(p.parts, func(part part) bool {
		switch part := part.(type) {
		case *birthProof:
			return part.good(policy, p.role) != nil
		case networkProof:
			return !part.ofToken && !slices.Contains(role.Networks, part.network)
		}
		return !slices.Contains(role.Methods, part.method())
	})
}

// A networkProof is that the caller speaks from one of the networks of its role, or its
// token. It names nobody.
type networkProof struct {
	network netip.Prefix
	ofToken bool
}

func (p networkProof) String() string                       { return "network:" + p.network.String() }
func (p networkProof) Settle(*store.Tx, *store.Certificate) {}
func (p networkProof) method() ca.Method                    { return "" }

func (p networkProof) Unmet(_ context.Context, _ [32]byte, err error) (*x509.Certificate, error) {
	return nil, err
}
