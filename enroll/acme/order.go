package acme

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/betonica/betonica/store"
)

// The statuses of orders and authorizations that are not on record, but follow
// from the time and each other (RFC 8555, Section 7.1.6). An order is never
// "processing": finalize is done when it answers.
const (
	statusPending = "pending"
	statusReady   = "ready"
	statusValid   = "valid"
	statusInvalid = "invalid"
	statusExpired = "expired"
)

// poll is how long a client shall wait before it asks again.
const poll = time.Second

// order answers with the state of an order of the client's own (Section 7.1.3).
func (h *Handler) order(w http.ResponseWriter, r *request) error {
	if err := r.asGet(); err != nil {
		return err
	}
	o, all, err := h.ownOrder(r.Context(), r)
	if err != nil {
		return err
	}
	return h.replyOrder(w, r, http.StatusOK, o, all)
}

// orders lists the account's orders (Section 7.1.2.1), in pages.
func (h *Handler) orders(w http.ResponseWriter, r *request) error {
	if err := r.ownAccount(); err != nil {
		return err
	}
	if err := r.asGet(); err != nil {
		return err
	}
	ids, next, err := h.Store.Orders(r.Context(), r.account.ID, store.Page{After: r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	list := ordersList{Orders: make([]string, len(ids))}
	for i, id := range ids {
		list.Orders[i] = r.base + pathOrder + id.String()
	}
	if next != "" {
		more := r.base + r.URL.Path + "?cursor=" + url.QueryEscape(next)
		w.Header().Add("Link", link(more, "next"))
	}
	return reply(w, http.StatusOK, list)
}

// ownOrder returns the order of the URL, if it is the client's.
func (h *Handler) ownOrder(ctx context.Context, r *request) (store.Order, []store.Authorization, error) {
	id, err := store.ParseOrderID(r.PathValue("order"))
	if err != nil {
		return store.Order{}, nil, notFound("order")
	}
	o, all, err := h.Store.OrderWithAuthorizations(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.Account != r.account.ID {
		return store.Order{}, nil, notFound("order") // whose else it is, is nobody's business
	}
	return o, all, err
}

func (h *Handler) replyOrder(w http.ResponseWriter, r *request, status int, o store.Order, all []store.Authorization) error {
	location := r.base + pathOrder + o.ID.String()
	object := orderObject{
		Status: orderStatus(o, all, h.Now()), Expires: o.Expires.UTC().Truncate(time.Second), Profile: o.Profile, Error: o.Error,
		Identifiers: make([]identifier, len(o.Identifiers)), Authorizations: make([]string, len(o.Authorizations)),
		Finalize: location + "/finalize",
	}
	for i, id := range o.Identifiers {
		object.Identifiers[i] = shown(id)
	}
	for i, id := range o.Authorizations {
		object.Authorizations[i] = r.base + pathAuthz + id.String()
	}
	if o.Replaces != nil {
		replaced, err := h.Store.Certificate(r.Context(), *o.Replaces)
		if err != nil {
			return err
		}
		issuer, err := hex.DecodeString(replaced.Issuer)
		if err != nil {
			return err
		}
		object.Replaces = certID(*o.Replaces, issuer)
	}
	if o.Serial != nil {
		object.Certificate = r.base + pathCertificate + o.Serial.String()
	}
	if object.Error == nil && object.Status == statusInvalid {
		object.Error = firstError(all)
	}
	w.Header().Set("Location", location)
	if object.Status == statusPending {
		w.Header().Set("Retry-After", seconds(poll))
	}
	return reply(w, status, object)
}

// orderStatus is what an order's record, its authorizations and the time make of
// it (Section 7.1.6).
func orderStatus(o store.Order, all []store.Authorization, now time.Time) string {
	switch {
	case o.Status != store.OrderOpen:
		return string(o.Status)
	case !now.Before(o.Expires) || len(all) < len(o.Authorizations):
		return statusInvalid
	}
	status := statusReady
	for _, a := range all {
		switch authorizationStatus(a, now) {
		case statusValid:
		case statusPending:
			status = statusPending
		default:
			return statusInvalid
		}
	}
	return status
}

// firstError is what went wrong with the first authorization that failed, or nil.
func firstError(all []store.Authorization) []byte {
	for _, a := range all {
		if len(a.Error) > 0 {
			return a.Error
		}
	}
	return nil
}
