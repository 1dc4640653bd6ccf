package enroll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Bounds of a token.
const (
	maxTTL     = store.MaxTokenLife
	defaultTTL = time.Hour
	maxUses    = 100_000
)

// A TokenRequest says what a join token is good for.
type TokenRequest struct {
	// Role and Name are whom it admits. A name with a * in it is a pattern, as
	// policy writes it, and admits new identities only; an exact name that is not
	// on record is put there, pending.
	Role, Name string
	// TTL is how long it can be spent: at most 24 h; 0: 1 h.
	TTL time.Duration
	// Uses is how often it can be spent; 0: once. More than once needs a pattern
	// or Replace.
	Uses int
	// Replace admits an identity that has enrolled before, and revokes what it
	// holds as superseded.
	Replace bool
	// Owner is who answers for the identities that the token makes.
	Owner string
	// Network is where its bearer must speak from; the zero Prefix: anywhere.
	Network netip.Prefix
	// SPKI is the SHA-256 of the only public key that it may be spent for; nil: any.
	SPKI *[32]byte
	// EAB makes a token that an ACME account may be bound with as well (RFC 8555,
	// Section 7.3.4), for an exact name and one use. Whichever protocol spends it
	// first, wins.
	EAB bool
}

// CreateToken makes a join token, which is seen this once: what is kept is a hash.
// The secret of one made with EAB is kept, too, since an HMAC needs it, sealed.
//
// A token for a privileged role takes two people, and so does one made with Replace for an
// identity that was revoked: CreateToken returns a [*ConsentError] until they have agreed.
// As long as there are no two, the first is for root, and the second for nobody.
//
// It returns an [*api.BadRequestError] if the request contradicts itself, a
// [*ca.DeniedError] if policy has no place for the name, or nobody could agree to it; and
// a [*ConflictError] if the state of the identity leaves no use for the token.
func (r *Registrar) CreateToken(ctx context.Context, by Actor, req TokenRequest) (api.JoinToken, error) {
	pattern, err := req.check()
	if err != nil {
		return api.JoinToken{}, err
	}
	if req.EAB && r.sealer == nil {
		return api.JoinToken{}, conflictf("this authority's key cannot seal secrets: it makes no tokens for external account binding")
	}
	if err := r.mayAdmit(ctx, by, req, pattern); err != nil {
		return api.JoinToken{}, err
	}
	for range tries {
		use, err := r.uses(ctx, req, pattern)
		if err != nil {
			return api.JoinToken{}, err
		}
		token := api.NewJoinToken(r.root)
		var sealed []byte
		if req.EAB {
			sealed = r.sealer.Seal(sealedName(token.ID()), token.Secret[:])
		}
		put := func(tx *store.Tx) {
			if use.create {
				tx.CreateIdentity(store.Identity{Path: req.path(), Role: req.Role, Name: req.Name, Owner: req.Owner, State: store.Pending})
			}
			record := req.record(token, sealed, pattern, by, tx.Now())
			record.Lifts = use.lifts
			tx.InsertToken(record)
		}
		if m, two := req.motion(use); two {
			err = r.council.decide(ctx, by, m, func(tx *store.Tx, g agreement) audit.Event {
				put(tx)
				return req.event(ctx, tx, by, token, use, &g)
			})
		} else {
			err = r.store.Update(ctx, func(tx *store.Tx) audit.Event {
				put(tx)
				return req.event(ctx, tx, by, token, use, nil)
			})
		}
		if errors.Is(err, store.ErrExists) {
			continue // somebody was faster with the identity
		}
		if err != nil {
			return api.JoinToken{}, err
		}
		r.log.InfoContext(ctx, "token made", "token", token, "for", req.path(), "by", by.Name)
		return token, nil
	}
	return api.JoinToken{}, store.ErrExists
}

// RevokeToken makes sure that a token is not spent any more. Revoking twice is
// not an error. It returns store.ErrNotFound.
func (r *Registrar) RevokeToken(ctx context.Context, by Actor, id store.TokenID) error {
	token, err := r.store.Token(ctx, id)
	if err != nil {
		return err
	}
	return r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.RevokeToken(id)
		return by.event(ctx, tx, "token.revoke", token.Role+"/"+token.Name, map[string]any{"token": id.String()})
	})
}

// check fills in defaults and refuses what contradicts itself.
func (req *TokenRequest) check() (ca.Pattern, error) {
	if req.TTL == 0 {
		req.TTL = defaultTTL
	}
	if req.Uses == 0 {
		req.Uses = 1
	}
	pattern, err := ca.ParsePattern(req.Name)
	switch {
	case err != nil:
		return pattern, badRequest("%v", err)
	case req.TTL < time.Second || req.TTL > maxTTL:
		return pattern, badRequest("a token lives for 1s to %s", maxTTL)
	case req.Uses < 1 || req.Uses > maxUses:
		return pattern, badRequest("a token has 1 to %d uses", maxUses)
	case !pattern.Exact() && req.Replace:
		return pattern, badRequest("a pattern admits new identities only: to replace takes an exact name")
	case req.EAB && !pattern.Exact():
		return pattern, badRequest("an ACME account is bound to one identity: eab takes an exact name")
	case req.EAB && req.Uses > 1:
		return pattern, badRequest("one ACME account is bound once: eab takes a token of one use")
	case req.EAB && req.SPKI != nil:
		return pattern, badRequest("an ACME account asks with keys of its choice: eab and a public key exclude each other")
	case pattern.Exact() && !req.Replace && req.Uses > 1:
		return pattern, badRequest("one identity enrols once: more uses take a pattern, or replace")
	case req.SPKI != nil && req.Uses > 1:
		return pattern, badRequest("one public key is certified once: it takes a token of one use")
	case req.Network.IsValid() && req.Network != req.Network.Masked():
		return pattern, badRequest("network %s has bits beyond its length: is %s meant?", req.Network, req.Network.Masked())
	}
	return pattern, checkOwner(req.Owner)
}

// mayAdmit asks policy. Who has to agree to a privileged role is another matter.
func (r *Registrar) mayAdmit(ctx context.Context, by Actor, req TokenRequest, pattern ca.Pattern) error {
	if pattern.Exact() {
		err := r.Policies.Current().AllowsName(req.Role, req.Name)
		if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
			return r.refuseActor(ctx, by, req.path(), denied)
		}
		if err != nil {
			return err
		}
	}
	if !ca.Privileged(req.Role) {
		if err := r.mayManage(ctx, by, req.Role, req.path()); err != nil {
			return err
		}
	}
	method := ca.MethodToken
	if req.EAB {
		method = ca.MethodACME
	}
	role, ok := r.Policies.Current().Role(req.Role)
	if !ok || !slices.Contains(role.Methods, method) {
		return r.refuseActor(ctx, by, req.path(), &ca.DeniedError{Rule: req.Role, Reason: fmt.Sprintf("no such role admits by %s", method)})
	}
	return nil
}

// A tokenUse is what becomes of the token's identity.
type tokenUse struct {
	create bool   // it is to be put on record
	lifts  bool   // it was revoked, and enrols again
	owner  string // who answers for it
}

// uses says what the token's identity needs.
func (r *Registrar) uses(ctx context.Context, req TokenRequest, pattern ca.Pattern) (tokenUse, error) {
	if !pattern.Exact() {
		return tokenUse{owner: req.Owner}, nil
	}
	id, err := r.store.Identity(ctx, req.path())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return tokenUse{create: true, owner: req.Owner}, nil
	case err != nil:
		return tokenUse{}, err
	case req.Owner != "" && req.Owner != id.Owner:
		return tokenUse{}, conflictf("%s is on record with the owner %q", id.Path, id.Owner)
	case id.State == store.Active && !req.Replace:
		return tokenUse{}, conflictf("%s has enrolled already: to enrol anew it takes a token made with --replace", id.Path)
	case id.State == store.Pending, id.State == store.Active:
		return tokenUse{owner: id.Owner}, nil
	case id.State == store.Revoked && req.Replace && (req.Uses > 1 || req.EAB):
		return tokenUse{}, conflictf("%s is revoked: a token that lifts that is used once, and for no ACME account", id.Path)
	case id.State == store.Revoked && req.Replace:
		return tokenUse{lifts: true, owner: id.Owner}, nil
	}
	return tokenUse{}, conflictf("%s is %s", id.Path, id.State)
}

// record is the token as the store keeps it.
func (req TokenRequest) record(token api.JoinToken, sealed []byte, pattern ca.Pattern, by Actor, now time.Time) store.Token {
	t := store.Token{
		ID: store.TokenID(token.ID()), Hash: token.Hash(), Sealed: sealed,
		Role: req.Role, Name: req.Name, Exact: pattern.Exact(),
		MaxUses: req.Uses, Expires: now.Add(req.TTL), Created: now,
		Network: req.Network, Replace: req.Replace, Owner: req.Owner, CreatedBy: by.Name,
	}
	if req.SPKI != nil {
		t.SPKI = req.SPKI[:]
	}
	return t
}

// event is the token's; g is why it may be made, if that takes two people.
func (req TokenRequest) event(ctx context.Context, tx *store.Tx, by Actor, token api.JoinToken, use tokenUse, g *agreement) audit.Event {
	action := "token.create"
	detail := map[string]any{
		"token": store.TokenID(token.ID()).String(), "ttl": req.TTL.String(), "uses": req.Uses, "replace": req.Replace,
		"owner": req.Owner, "created": use.create, "eab": req.EAB,
	}
	if use.lifts {
		detail["lifts"] = true
	}
	if g != nil {
		detail = g.about(detail)
		if g.proposal == nil {
			action = "token.bootstrap" // root made it alone
		}
	}
	if req.Network.IsValid() {
		detail["network"] = req.Network.String()
	}
	return by.event(ctx, tx, action, req.path(), detail)
}

func (req TokenRequest) path() string { return req.Role + "/" + req.Name }
