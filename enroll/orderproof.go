package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/betonica/betonica/store"
)

// An orderProof is an order of an ACME account that speaks for the identity.
type orderProof struct {
	r       *Registrar
	account store.AccountID
	order   store.Order
	create  bool // the identity of an unbound account is not on record yet
}

func (p *orderProof) String() string { return "order:" + p.order.ID.String() }

// Settle turns the order valid, and puts the identity on record if it is new.
func (p *orderProof) Settle(tx *store.Tx, cert *store.Certificate) {
	tx.CompleteOrder(p.order.ID, cert.Serial)
	if p.create {
		role, name, _ := strings.Cut(cert.Identity, "/")
		tx.CreateIdentity(store.Identity{Path: cert.Identity, Role: role, Name: name, State: store.Active})
	}
}

// Unmet looks whether the order has its certificate, and otherwise what has become
// of the account.
func (p *orderProof) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	now, e := p.r.store.Order(ctx, p.order.ID)
	switch {
	case errors.Is(e, store.ErrNotFound):
		return nil, store.ErrSpent // out of time, and pruned
	case e != nil:
		return nil, e
	case now.Serial != nil:
		return p.answer(ctx, *now.Serial, key)
	case errors.Is(err, store.ErrKeyTaken):
		prior, e := p.r.byKey(ctx, key)
		if e != nil {
			return nil, e
		}
		return nil, p.r.keyTaken(ctx, p.order.Identity, p.String(), prior, err)
	case errors.Is(err, store.ErrExists) && p.create:
		// Another order made it meanwhile. What was decided holds if it is active at
		// its first revision, which the store demands: every name is validated, so
		// that it does not matter which are on record.
		p.create = false
		return nil, ErrAgain
	case errors.Is(err, store.ErrSpent):
		acc, e := p.r.store.HeldAccount(ctx, p.account)
		if e == nil {
			e = p.r.good(acc)
		}
		if e != nil {
			return nil, e
		}
	}
	return nil, err
}

// answer returns the certificate that the order has already, for the same key.
func (p *orderProof) answer(ctx context.Context, serial store.Serial, key [32]byte) (*x509.Certificate, error) {
	prior, err := p.r.store.Holder(ctx, serial)
	if err != nil {
		return nil, err
	}
	if prior.Certificate.SPKI != key {
		return nil, store.ErrSpent
	}
	return p.r.again(ctx, &prior)
}
