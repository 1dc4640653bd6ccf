package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// A parentProof is a certificate that its holder renews.
type parentProof struct {
	r       *Registrar
	id      ca.Identity
	parent  store.Serial
	child   *store.Serial // the child that the parent is known to have
	alarmed bool          // the fork is on record
	keeps   bool          // the identity's own key may be certified again
	late    bool          // the parent has expired: nobody is in a hurry to be served twice

	replayable bool // the request may come from whoever has seen it: see Terms
}

func (p *parentProof) String() string { return "certificate:" + p.parent.String() }

// Settle makes the certificate the parent's child.
func (p *parentProof) Settle(tx *store.Tx, cert *store.Certificate) {
	tx.RecordChild(p.parent, cert.Serial, p.child)
	cert.Parent, cert.Rekey = &p.parent, cert.Rekey || !p.keeps
}

// Unmet looks whether a reply was lost, and otherwise who else has renewed.
func (p *parentProof) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	prior, e := p.r.byKey(ctx, key)
	if e != nil {
		return nil, e
	}
	if prior != nil && prior.Certificate.Parent != nil && *prior.Certificate.Parent == p.parent {
		// A child that was itself renewed was in use, said so or not.
		if (prior.Confirmed || prior.Child != nil) && !p.replayable {
			if err := p.fork(ctx, "renewed again after its child was in use", prior.Certificate.Serial); err != nil {
				return nil, err
			}
		}
		return p.r.again(ctx, prior)
	}
	if prior != nil && !(p.keeps && prior.Identity.Path == p.id.ID.Path()) {
		return nil, p.r.keyTaken(ctx, p.id.ID.Path(), p.String(), prior, store.ErrKeyTaken)
	}
	if !errors.Is(err, store.ErrForked) {
		return nil, err
	}
	now, err := p.r.store.Holder(ctx, p.parent)
	if err != nil {
		return nil, err
	}
	if now.Child == nil {
		return nil, store.ErrForked
	}
	p.child = now.Child
	if err := p.fork(ctx, "renewed with another key", *now.Child); err != nil {
		return nil, err
	}
	return nil, ErrAgain
}

// fork puts on record that the parent has two holders. It returns an error if
// the role refuses to go on.
func (p *parentProof) fork(ctx context.Context, how string, child store.Serial) error {
	a := Applicant{Identity: p.id, Proof: p}
	if !p.alarmed {
		e := a.event(ctx, "certificate.fork", how, map[string]any{"proof": p.String(), "child": child.String()})
		if err := p.r.alarm(ctx, p.id.ID.Path(), e); err != nil {
			return err
		}
		p.alarmed = true
	}
	if role, ok := p.r.Policies.Current().Role(p.id.ID.Role()); p.late || ok && role.Fork == ca.ForkRefuse {
		return &ForkedError{&ca.DeniedError{ID: p.id.ID, Rule: p.id.ID.Role(), Reason: fmt.Sprintf(
			"the certificate was %s: it has two holders. A machine that was copied, or set back to an older state such as a snapshot, has to enrol anew: %s",
			how, enrolAnew(p.id.ID))}}
	}
	return nil
}

// enrolAnew says how an identity that has enrolled gets in again.
func enrolAnew(id ca.ID) string {
	return fmt.Sprintf("betonica token create --role %s --name %s --replace", id.Role(), id.Name())
}
