package acme

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/store"
)

// deviceAttest01 is the challenge of draft-ietf-acme-device-attest.
const deviceAttest01 = "device-attest-01"

// authorization answers with the state of an authorization of the client's own
// (RFC 8555, Section 7.5), or deactivates it (Section 7.5.2).
func (h *Handler) authorization(w http.ResponseWriter, r *request) error {
	a, err := h.ownAuthorization(r.Context(), r)
	if err != nil {
		return err
	}
	if len(r.payload) > 0 {
		if a, err = h.deactivate(r, a); err != nil {
			return err
		}
	}
	h.resume(r.Context(), a, r.account.Account)
	object := h.authorizationObject(r, a)
	if object.Status == statusPending {
		w.Header().Set("Retry-After", seconds(poll))
	}
	return reply(w, http.StatusOK, object)
}

func (h *Handler) deactivate(r *request, a store.Authorization) (store.Authorization, error) {
	var req struct {
		Status string `json:"status"`
	}
	if err := decode(r.payload, &req); err != nil {
		return a, err
	}
	if req.Status != "deactivated" {
		return a, malformed("an authorization can be deactivated, and nothing else")
	}
	err := h.Store.Relaxed(r.Context(), func(tx *store.RelaxedTx) { tx.DeactivateAuthorization(a.ID) })
	if errors.Is(err, store.ErrStale) {
		return a, malformed("the authorization is neither pending nor valid")
	}
	a.Status = store.AuthorizationDeactivated
	return a, err
}

// ownAuthorization returns the authorization of the URL, if it is the client's.
func (h *Handler) ownAuthorization(ctx context.Context, r *request) (store.Authorization, error) {
	id, err := store.ParseAuthorizationID(r.PathValue("authz"))
	if err != nil {
		return store.Authorization{}, notFound("authorization")
	}
	a, err := h.Store.Authorization(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && a.Account != r.account.ID {
		return store.Authorization{}, notFound("authorization") // whose else it is, is nobody's business
	}
	return a, err
}

// authorizationObject is Section 7.1.4: while it is pending all challenges are
// there, and afterwards the one that decided; none if none was needed.
func (h *Handler) authorizationObject(r *request, a store.Authorization) authorizationObject {
	object := authorizationObject{
		Identifier: identifier(a.Identifier), Wildcard: a.Wildcard,
		Status: authorizationStatus(a, h.Now()), Expires: a.Expires.UTC().Truncate(time.Second), Challenges: []challengeObject{},
	}
	for _, typ := range offered(a) {
		if a.Status == store.AuthorizationPending || typ == a.Challenge {
			object.Challenges = append(object.Challenges, r.challengeObject(a, typ, h.Now()))
		}
	}
	return object
}

// authorizationStatus is what an authorization's record and the time make of it
// (Section 7.1.6).
func authorizationStatus(a store.Authorization, now time.Time) string {
	if now.Before(a.Expires) {
		return string(a.Status)
	}
	switch a.Status {
	case store.AuthorizationPending:
		return statusInvalid
	case store.AuthorizationValid:
		return statusExpired
	}
	return string(a.Status)
}

// offered lists the challenges for an authorization: those that can show control
// of such an identifier (RFC 8555, Section 8.3 for wildcards; RFC 8738, Section 7
// for addresses). One that was never pending has none.
func offered(a store.Authorization) []string {
	switch {
	case a.Token == "":
		return nil
	case a.Type == typePermanent:
		return []string{deviceAttest01}
	case a.Type == typeIP:
		return []string{validate.HTTP01, validate.TLSALPN01}
	case a.Wildcard:
		return []string{validate.DNS01}
	}
	return []string{validate.HTTP01, validate.DNS01, validate.TLSALPN01}
}
