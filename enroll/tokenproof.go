package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// replayTime is how long a lost reply is sent again for the same token and key.
const replayTime = 10 * time.Minute

// A tokenProof is a join token whose secret its bearer has shown.
type tokenProof struct {
	r        *Registrar
	token    store.Token
	identity *store.Identity // on record; nil: the token creates it
	from     netip.Addr
	asked    string // path of the identity that the request is for

	replayable bool // see Claim
}

// unnamed returns an applicant of whom no more is known than the token says, to
// refuse it by.
func (p *tokenProof) unnamed() Applicant {
	a := Applicant{Proof: p, Identity: ca.Identity{Method: ca.MethodToken, Source: p.from}}
	if p.token.Exact {
		a.Identity.ID, _ = ca.NewID(p.r.issuers.TrustDomain(), p.token.Role, p.token.Name)
	}
	return a
}

// identify says whom the bearer is to become: the identity that the token is bound to;
// under a pattern the one on record that its other credentials name, or the new one
// that the CSR's URI proposes.
func (p *tokenProof) identify(ctx context.Context, req ca.Request, named *store.Identity) (ca.ID, error) {
	key := req.SPKI()
	if len(p.token.SPKI) > 0 && !bytes.Equal(p.token.SPKI, key[:]) {
		return ca.ID{}, p.refuse(ctx, "bound to another public key")
	}
	var id ca.ID
	var err error
	switch {
	case p.token.Exact && p.identity == nil:
		err = fmt.Errorf("token %s: its identity is not on record", p.token.ID)
	case p.token.Exact:
		id, err = ca.ParsePath(p.r.issuers.TrustDomain(), p.identity.Path)
	case named != nil:
		if id, err = ca.ParsePath(p.r.issuers.TrustDomain(), named.Path); err == nil {
			err = p.covers(id)
		}
	default:
		id, err = p.propose(req)
	}
	p.asked = id.Path()
	return id, err
}

// admits says why the token does not admit the identity on record that it is bound
// to, or nil.
func (p *tokenProof) admits(id ca.ID) error {
	switch p.identity.State {
	case store.Pending:
		return nil
	case store.Active:
		if p.token.Replace {
			return nil
		}
		return &ca.DeniedError{ID: id, Rule: p.token.Role, Reason: "it has enrolled already: that takes a token made with --replace"}
	}
	return notActive(id, *p.identity)
}

// unusable says why the token is none for its bearer, or "". That it may be spent is
// another matter.
func (p *tokenProof) unusable() string {
	switch {
	case p.token.Revoked != nil:
		return "revoked"
	case p.token.Network.IsValid() && !p.token.Network.Contains(p.from.Unmap().WithZone("")):
		return fmt.Sprintf("outside its network %s", p.token.Network)
	}
	return ""
}

// propose returns the identity that the CSR asks to become.
func (p *tokenProof) propose(req ca.Request) (ca.ID, error) {
	id, ok := req.ID()
	if !ok {
		return ca.ID{}, &ca.RequestError{Reason: fmt.Sprintf("with this token it must name the new identity, as the URI spiffe://%s/%s/NAME", p.r.issuers.TrustDomain(), p.token.Role)}
	}
	return id, p.covers(id) // that the role has a place for the name is for Decide to say
}

// covers refuses an identity that the token's pattern is not for.
func (p *tokenProof) covers(id ca.ID) error {
	pattern, err := ca.ParsePattern(p.token.Name)
	if err != nil {
		return fmt.Errorf("token %s: %w", p.token.ID, err)
	}
	if id.TrustDomain() != p.r.issuers.TrustDomain() || id.Role() != p.token.Role || !pattern.Match(id.Name()) {
		return &ca.DeniedError{Rule: p.token.Role, Reason: fmt.Sprintf("the token does not cover %s", id)}
	}
	return nil
}

// known is what the store is bound to say to this token; nil: perhaps nothing.
func (p *tokenProof) known() error {
	if p.token.Uses >= p.token.MaxUses || !p.r.now().Before(p.token.Expires) {
		return store.ErrSpent
	}
	return nil
}

func (p *tokenProof) String() string { return "token:" + p.token.ID.String() }

func (p *tokenProof) method() ca.Method { return ca.MethodToken }

// Settle spends the token.
func (p *tokenProof) Settle(tx *store.Tx, cert *store.Certificate) {
	tx.SpendToken(p.token.ID)
	if !p.token.Exact {
		tx.NameTokenUser(p.token.ID, cert.Identity)
	}
	cert.Token = &p.token.ID
}

// Unmet looks whether a reply was lost, and otherwise says what is wrong with
// the token, which may have changed since it was read.
func (p *tokenProof) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	prior, e := p.r.byKey(ctx, key)
	if e != nil {
		return nil, e
	}
	if prior != nil && p.bought(prior.Certificate) {
		return p.r.again(ctx, prior)
	}
	switch {
	case errors.Is(err, store.ErrSpent) && p.replayable && prior != nil && prior.Certificate.Token != nil && *prior.Certificate.Token == p.token.ID:
		return nil, p.refuse(ctx, "already used, for this key")
	case errors.Is(err, store.ErrSpent):
		return nil, p.spent(ctx)
	case errors.Is(err, store.ErrKeyTaken):
		return nil, p.r.keyTaken(ctx, p.path(), p.String(), prior, err)
	case errors.Is(err, store.ErrExists):
		return nil, &ca.DeniedError{Rule: p.token.Role, Reason: "the identity exists: it takes a token that is bound to it"}
	}
	return nil, err
}

// bought reports whether the certificate is the answer to this very request, made
// a moment ago.
func (p *tokenProof) bought(cert store.Certificate) bool {
	return cert.Token != nil && *cert.Token == p.token.ID && cert.Identity == p.asked &&
		p.r.now().Sub(issuedAt(cert.Serial)) < replayTime
}

// spent says why the token cannot be spent. With a use left it is a matter of
// time, or was revoked; without one, somebody else has used it.
func (p *tokenProof) spent(ctx context.Context) error {
	token, err := p.r.store.Token(ctx, p.token.ID)
	if err != nil {
		return err
	}
	switch {
	case token.Revoked != nil:
		return p.refuse(ctx, "revoked")
	case token.Uses < token.MaxUses:
		return p.refuse(ctx, "expired")
	}
	p.r.tally.refuse(ReasonReused)
	e := audit.Event{
		Action: "token.reuse", Actor: stranger, Subject: p.path(), Address: address(p.from), Outcome: ErrReused.Error(),
		RequestID: RequestID(ctx), Detail: map[string]any{"proof": p.String()},
	}
	if e.Subject == "" && token.MaxUses == 1 {
		e.Subject = token.UsedBy // one of many is not suspect because there was one too many
	}
	var whose []string
	if e.Subject != "" {
		whose = []string{e.Subject}
	}
	if err := p.r.accuse(ctx, p.from, &p.token.ID, e, whose...); err != nil {
		return err
	}
	return ErrReused
}

// refuse refuses the bearer as a stranger.
func (p *tokenProof) refuse(ctx context.Context, why string) error {
	return p.r.refuseToken(ctx, p.String(), p.from, &p.token.ID, why)
}

// path is that of the identity that the token is bound to, or "".
func (p *tokenProof) path() string {
	if p.identity == nil {
		return ""
	}
	return p.identity.Path
}
