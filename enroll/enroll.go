package enroll

import (
	"context"
	"errors"
	"net/netip"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// bearer looks the token up: one read, which everything else is judged by.
func (r *Registrar) bearer(ctx context.Context, text string, from netip.Addr) (*tokenProof, error) {
	parsed, err := api.ParseToken(text)
	if err != nil {
		return nil, r.refuseToken(ctx, "", from, nil, "not a token")
	}
	id := store.TokenID(parsed.ID())
	token, identity, err := r.store.TokenHolder(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, r.refuseToken(ctx, "token:"+id.String(), from, nil, "unknown")
	}
	if err != nil {
		return nil, err
	}
	p := &tokenProof{r: r, token: token, identity: identity, from: from}
	if !parsed.Matches(token.Hash) || parsed.Root != r.root {
		return nil, p.refuse(ctx, "secret or root differs")
	}
	if why := p.unusable(); why != "" {
		return nil, p.refuse(ctx, why)
	}
	return p, nil
}

// refuseToken counts and records a bad token, and returns what its bearer is told,
// which is not why. known is the token's id if there is such a token.
func (r *Registrar) refuseToken(ctx context.Context, subject string, from netip.Addr, known *store.TokenID, why string) error {
	r.refuseStranger(ctx, ReasonToken, subject, from, why)
	if wait := r.bad.count(from, known, r.now()); wait > 0 {
		return &RateLimitError{RetryAfter: wait}
	}
	return ErrUnauthenticated
}
