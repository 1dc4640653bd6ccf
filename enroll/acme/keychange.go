package acme

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/betonica/betonica/store"
)

// keyChange gives an account another key (RFC 8555, Section 7.3.5): the old key
// signs a JWS in which the new one signs that it is to follow.
func (h *Handler) keyChange(w http.ResponseWriter, r *request) error {
	next, err := r.nextKey(h)
	if err != nil {
		return err
	}
	key, err := next.record()
	if err != nil {
		return err
	}
	if holder, err := h.Store.AccountByKey(r.Context(), key.Thumbprint); err == nil {
		return r.keyInUse(holder)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	err = h.Registrar.ChangeAccountKey(r.Context(), r.account.Account, key, r.from())
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrKeyTaken) { // perhaps another account was faster with the key
		if holder, err := h.Store.AccountByKey(r.Context(), key.Thumbprint); err == nil {
			return r.keyInUse(holder)
		}
	}
	if err != nil {
		return err
	}
	return r.replyAccount(w, http.StatusOK, r.account.Account)
}

// nextKey checks the inner JWS, and returns the key that signed it.
func (r *request) nextKey(h *Handler) (*accountKey, error) {
	inner, err := parseJWS(r.payload, accountAlgorithms)
	if err != nil {
		return nil, err
	}
	if inner.header.Nonce != nil {
		return nil, malformed("inner JWS: it must have no nonce")
	}
	if inner.header.URL == nil || *inner.header.URL != r.base+r.URL.RequestURI() {
		return nil, malformed("inner JWS: url is not that of the outer one")
	}
	next, err := inner.publicKey()
	if err != nil {
		return nil, err
	}
	if err := inner.verify(next.public); err != nil {
		return nil, err
	}
	var change struct {
		Account string           `json:"account"`
		OldKey  *json.RawMessage `json:"oldKey"`
	}
	if err := decode(inner.payload, &change); err != nil {
		return nil, err
	}
	if id, ok := h.accountID(r.base, change.Account); !ok || id != r.account.ID {
		return nil, malformed("inner JWS: account is not the one that signed the outer JWS")
	}
	if change.OldKey == nil {
		return nil, malformed("inner JWS: oldKey is missing")
	}
	old, err := parseKey(*change.OldKey)
	if err != nil || !old.equal(r.key.public) {
		return nil, malformed("inner JWS: oldKey is not the key of the account")
	}
	return next, nil
}

// keyInUse says whose key it is, as Section 7.3.5 demands. Whoever reads it has
// signed with the key.
func (r *request) keyInUse(holder store.Account) error {
	p := newProblem(http.StatusConflict, malformedRequest, "the new key is an account's already")
	p.location = r.base + pathAccount + holder.ID.String()
	return p
}
