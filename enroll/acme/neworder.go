package acme

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

const (
	orderLife = 24 * time.Hour // of an order, and of what it has to show
	validLife = 24 * time.Hour // how long what was shown serves other orders
	reuseLeft = time.Hour      // less than that is not worth beginning an order with
)

// newOrder makes an order (RFC 8555, Section 7.4). Names that the account's
// identity has without a challenge are authorized from the first.
func (h *Handler) newOrder(w http.ResponseWriter, r *request) error {
	var req orderRequest
	if err := decode(r.payload, &req); err != nil {
		return err
	}
	if req.NotBefore != nil || req.NotAfter != nil {
		return malformed("notBefore and notAfter cannot be chosen: the profile has the lifetime")
	}
	ids, err := identifiers(req.Identifiers)
	if err != nil {
		return err
	}
	binding, err := h.Registrar.Binding(r.Context(), *r.account, req.Profile, h.Settings.DefaultRole, ids, r.from())
	if err != nil {
		return err
	}
	now := h.Now()
	if err := h.limits.newOrder(r.account.Account, len(ids), now); err != nil {
		return err
	}
	o := store.Order{
		ID: store.NewOrderID(), Account: r.account.ID, Identity: binding.Path(), Status: store.OrderOpen,
		Identifiers: ids, Profile: req.Profile, Created: now, Expires: now.Add(orderLife),
	}
	if o.Replaces, err = h.replaced(r.Context(), req.Replaces, binding); err != nil {
		return err
	}
	all, fresh, err := h.authorizations(r, &o, binding)
	if err != nil {
		return err
	}
	err = h.Store.Relaxed(r.Context(), func(tx *store.RelaxedTx) { tx.InsertOrder(o, fresh) })
	if errors.Is(err, store.ErrExists) && o.Replaces != nil {
		return newProblem(http.StatusConflict, alreadyReplaced, "another order replaces that certificate")
	}
	if err != nil {
		return err
	}
	return h.replyOrder(w, r, http.StatusCreated, o, all)
}

// authorizations returns those that an order rests on, in the order of its
// identifiers, and which of them are new. The order expires with the first of them.
func (h *Handler) authorizations(r *request, o *store.Order, binding enroll.Binding) (all, fresh []store.Authorization, err error) {
	earlier, err := h.earlier(r.Context(), *o, binding)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range o.Identifiers {
		a, ok := earlier[id]
		if !ok {
			if id.Type == typePermanent && binding.Role() != h.attestationRole(r.account.Account) {
				return nil, nil, newProblem(http.StatusForbidden, rejectedIdentifier, "an account without a token has devices attested in the default role only")
			}
			a = newAuthorization(o, id, binding.Covered(id))
			fresh = append(fresh, a)
		}
		all = append(all, a)
		o.Authorizations = append(o.Authorizations, a.ID)
		if a.Expires.Before(o.Expires) {
			o.Expires = a.Expires
		}
	}
	return all, fresh, nil
}

// earlier returns what the account has shown before and need not show again. An
// attestation is for one key, and one that was valid from the first is judged
// anew: neither serves another order.
func (h *Handler) earlier(ctx context.Context, o store.Order, binding enroll.Binding) (map[store.OrderIdentifier]store.Authorization, error) {
	var open []store.OrderIdentifier
	for _, id := range o.Identifiers {
		if id.Type != typePermanent && !binding.Covered(id) {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	valid, err := h.Store.ValidAuthorizations(ctx, o.Account, open)
	if err != nil {
		return nil, err
	}
	found := make(map[store.OrderIdentifier]store.Authorization)
	for _, a := range valid {
		if a.Token != "" && a.Expires.Sub(o.Created) >= reuseLeft {
			found[store.OrderIdentifier{Identifier: a.Identifier, Wildcard: a.Wildcard}] = a
		}
	}
	return found, nil
}

func newAuthorization(o *store.Order, id store.OrderIdentifier, covered bool) store.Authorization {
	a := store.Authorization{
		ID: store.NewAuthorizationID(), Account: o.Account, Identifier: id.Identifier, Wildcard: id.Wildcard,
		Created: o.Created, Expires: o.Expires,
	}
	if covered {
		a.Status = store.AuthorizationValid
		return a
	}
	a.Status, a.Token = store.AuthorizationPending, newToken()
	return a
}

// newToken returns 256 random bits: the demand is 128 (RFC 8555, Section 8).
func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// replaced reads which certificate an order is to replace (RFC 9773, Section 5):
// one of the same identity. nil means none.
func (h *Handler) replaced(ctx context.Context, id *string, binding enroll.Binding) (*store.Serial, error) {
	if id == nil {
		return nil, nil
	}
	serial, ok := h.parseCertID(*id)
	if !ok {
		return nil, errReplaces
	}
	cert, err := h.Store.Certificate(ctx, serial)
	if errors.Is(err, store.ErrNotFound) || err == nil && cert.Identity != binding.Path() {
		return nil, errReplaces
	}
	if err != nil {
		return nil, err
	}
	return &serial, nil
}

var errReplaces = malformed("replaces names no certificate of this identity")
