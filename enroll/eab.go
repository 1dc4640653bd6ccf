package enroll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/store"
)

// A Sealer keeps small secrets where others can read, under a key that is kept
// elsewhere.
type Sealer interface {
	// Seal encrypts secret so that only Open with the same name returns it.
	Seal(name string, secret []byte) []byte
	Open(name string, sealed []byte) ([]byte, error)
	// Key returns a key of 32 bytes for a purpose, the same on every replica.
	Key(purpose string) []byte
}

// sealedName is the name that a token's secret is sealed under.
func sealedName(id store.TokenID) string { return "eab:" + id.String() }

// An ExternalAccount is what an external account binding (RFC 8555, Section 7.3.4)
// refers to: a join token made with EAB, whose id is the key identifier. Whoever
// holds one has named a token and shown nothing yet: that takes a binding signed
// with Key.
type ExternalAccount struct {
	proof *tokenProof
	key   []byte
}

// ExternalKey looks up the token that a binding names by its key identifier, 32
// hex digits, for somebody who speaks from that address. It is one read.
//
// A token that is unknown, revoked, for another network or not made with EAB is
// [ErrUnauthenticated], or a [*RateLimitError] if there were too many, as with a
// bearer's bad token; both are recorded. One that is spent or out of time has its
// key: what comes of it is said only to whoever has signed with it.
func (r *Registrar) ExternalKey(ctx context.Context, kid string, from netip.Addr) (*ExternalAccount, error) {
	id, err := store.ParseTokenID(kid)
	if err != nil {
		return nil, r.refuseToken(ctx, "", from, nil, "not a key identifier")
	}
	token, identity, err := r.store.TokenHolder(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, r.refuseToken(ctx, "token:"+id.String(), from, nil, "unknown")
	}
	if err != nil {
		return nil, err
	}
	p := &tokenProof{r: r, token: token, identity: identity, from: from}
	if len(token.Sealed) == 0 {
		return nil, p.refuse(ctx, "not made for external account binding")
	}
	if why := p.unusable(); why != "" {
		return nil, p.refuse(ctx, why)
	}
	if r.sealer == nil {
		return nil, fmt.Errorf("token %s is sealed, and there is nothing to open it with", id)
	}
	key, err := r.sealer.Open(sealedName(id), token.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening token %s: %w", id, err)
	}
	return &ExternalAccount{proof: p, key: key}, nil
}

// Key returns the key of the binding's HMAC, of 32 bytes. It is a secret.
func (e *ExternalAccount) Key() []byte { return e.key }

// Bad records that a binding was not signed with the key, and returns the error
// for it: [ErrUnauthenticated], or a [*RateLimitError].
func (e *ExternalAccount) Bad(ctx context.Context) error {
	return e.proof.refuse(ctx, "binding not signed with its key")
}

// String returns the token's id: an external account that strays into a log line
// says no more.
func (e *ExternalAccount) String() string { return e.proof.String() }
