package enroll

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// An approvalProof is that a person approved a key as that of an identity.
type approvalProof struct {
	r        *Registrar
	request  store.Request   // approved or used
	identity *store.Identity // that it was approved as; nil: what else was shown makes it
}

// read looks the identity up as it is now.
func (p *approvalProof) read(ctx context.Context) error {
	identity, err := p.r.store.Identity(ctx, p.request.Identity)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	p.identity = &identity
	return err
}

func (p *approvalProof) String() string { return "approval:" + p.request.ID.String() }

func (p *approvalProof) method() ca.Method { return ca.MethodApproval }

// Settle uses the approval up.
func (p *approvalProof) Settle(tx *store.Tx, cert *store.Certificate) {
	tx.UseRequest(p.request.ID, cert.SPKI, cert.Identity)
}

// known is what the store is bound to say to this approval; nil: perhaps nothing.
func (p *approvalProof) known() error {
	if p.request.State == store.RequestUsed {
		return store.ErrSpent
	}
	return nil
}

// admits says why the approval does not admit its identity as that is on record now, or
// nil.
func (p *approvalProof) admits(id ca.ID) error {
	switch {
	case p.identity == nil || p.identity.State == store.Pending, p.identity.State == store.Active && p.request.Replace:
		return nil
	case p.identity.State == store.Active:
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "it has enrolled already: that takes an approval with --replace"}
	}
	return notActive(id, *p.identity)
}

// Unmet looks whether a reply was lost, and otherwise what became of the approval.
func (p *approvalProof) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	prior, e := p.r.byKey(ctx, key)
	if e != nil {
		return nil, e
	}
	if p.bought(prior) {
		now, e := p.r.store.Request(ctx, p.request.ID)
		if e != nil {
			return nil, e
		}
		if now.State == store.RequestUsed {
			return p.r.again(ctx, prior)
		}
	}
	switch {
	case errors.Is(err, store.ErrSpent):
		return nil, p.spent(ctx)
	case errors.Is(err, store.ErrKeyTaken):
		return nil, p.r.keyTaken(ctx, p.request.Identity, p.String(), prior, err)
	}
	return nil, err
}

// bought reports whether the certificate is what the approval was used for, a moment ago.
func (p *approvalProof) bought(prior *store.Holder) bool {
	return prior != nil && prior.Identity.Path == p.request.Identity && p.r.now().Sub(issuedAt(prior.Certificate.Serial)) < replayTime
}

// spent says why the approval cannot be used.
func (p *approvalProof) spent(ctx context.Context) error {
	now, err := p.r.store.Request(ctx, p.request.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.ErrStale
	case err != nil:
		return err
	case now.State == store.RequestDenied:
		return &ca.DeniedError{Rule: now.Role, Reason: "a person denied it"}
	case now.State == store.RequestUsed:
		return store.ErrKeyTaken
	}
	return store.ErrStale // it has lapsed: who asks again opens another request
}
