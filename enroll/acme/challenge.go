package acme

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme/attest"
	"github.com/betonica/betonica/store"
)

// challenge answers a challenge's URL (RFC 8555, Section 7.5.1): an empty payload
// reads it, an object says that the client is ready for us to look.
func (h *Handler) challenge(w http.ResponseWriter, r *request) error {
	a, err := h.ownAuthorization(r.Context(), r)
	if err != nil {
		return err
	}
	typ := r.PathValue("type")
	if !slices.Contains(offered(a), typ) {
		return notFound("challenge")
	}
	switch {
	case len(r.payload) == 0:
		h.resume(r.Context(), a, r.account.Account)
	case authorizationStatus(a, h.Now()) == statusPending:
		if a, err = h.respond(r, a, typ); err != nil {
			return err
		}
	}
	w.Header().Add("Link", link(r.base+pathAuthz+a.ID.String(), "up"))
	object := r.challengeObject(a, typ, h.Now())
	if object.Status == "processing" {
		w.Header().Set("Retry-After", seconds(poll))
	}
	return reply(w, http.StatusOK, object)
}

// respond begins an attempt at a challenge; one that is under way goes on. It
// returns the authorization as it is then.
func (h *Handler) respond(r *request, a store.Authorization, typ string) (store.Authorization, error) {
	if err := h.limits.mayFail(r.account.ID, h.Now()); err != nil {
		return a, err
	}
	var err error
	if typ == deviceAttest01 {
		err = h.attest(r, a)
	} else {
		var empty struct{}
		if err := decode(r.payload, &empty); err != nil {
			return a, err
		}
		err = h.attempt(r.Context(), a, typ, r.account.Account)
	}
	if err != nil && !errors.Is(err, store.ErrStale) { // another request is at it, or was
		return a, err
	}
	return h.Store.Authorization(r.Context(), a.ID)
}

// challengeObject is Section 7.1.5. A challenge that was not attempted stays
// pending; one whose authorization ended before anything came of it is invalid, so
// that nobody waits for it.
func (r *request) challengeObject(a store.Authorization, typ string, now time.Time) challengeObject {
	object := challengeObject{
		Type: typ, Token: a.Token, Status: statusPending,
		URL: r.base + pathChallenge + a.ID.String() + "/" + typ,
	}
	if typ != a.Challenge {
		return object
	}
	switch {
	case a.Validated != nil:
		object.Status = statusValid
	case authorizationStatus(a, now) == statusPending:
		object.Status = "processing"
	default:
		object.Status, object.Error = statusInvalid, a.Error
	}
	if a.Validated != nil {
		at := a.Validated.UTC().Truncate(time.Second)
		object.Validated = &at
	}
	return object
}

// keyAuthorization is what the client shows (Section 8.1).
func keyAuthorization(a store.Authorization, by store.Account) string {
	return a.Token + "." + base64.RawURLEncoding.EncodeToString(by.Thumbprint[:])
}

// attest checks what a device's TPM says of a key (draft-ietf-acme-device-attest,
// Section 5): it is in the request, so the answer comes at once.
func (h *Handler) attest(r *request, a store.Authorization) error {
	var response struct {
		Object string `json:"attObj"`
	}
	if err := decode(r.payload, &response); err != nil {
		return err
	}
	object, err := decodeBase64(response.Object)
	if err != nil || len(object) == 0 {
		return malformed("attObj is not base64url")
	}
	err = h.Store.Relaxed(r.Context(), func(tx *store.RelaxedTx) { tx.AttemptAuthorization(a.ID, deviceAttest01) })
	if err != nil {
		return err
	}
	spki, err := attest.Verify(object, attest.Options{
		Roots: h.attestationRoots(r.account.Account), KeyAuthorization: keyAuthorization(a, r.account.Account),
		Identifier: a.Value, Now: h.Now(),
		Known: func(ak *x509.Certificate) (bool, error) {
			return h.knownKey(r.Context(), ak, h.attestationRole(r.account.Account)+"/"+a.Value)
		},
	})
	return h.complete(context.WithoutCancel(r.Context()), a, err, spki[:])
}

// knownKey reports whether the certificate of an attestation key is one of our own. It
// must be good at this moment, and the device's that is asked for.
func (h *Handler) knownKey(ctx context.Context, ak *x509.Certificate, path string) (bool, error) {
	key, err := h.Registrar.AttestationKey(ctx, ak)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if e, ok := errors.AsType[*enroll.AttestationError](err); ok {
		return true, &attest.Error{Kind: attest.Kind, Detail: e.Detail}
	}
	if err == nil && key.Identity.Path != path {
		err = &attest.Error{Kind: attest.Kind, Detail: "the attestation key's certificate does not name the identifier"}
	}
	return true, err
}

// attestationRoots are those that vouch for the devices of the account's role.
func (h *Handler) attestationRoots(a store.Account) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, root := range h.Registrar.AttestationRoots(h.attestationRole(a)) {
		pool.AddCert(root)
	}
	return pool
}

func (h *Handler) attestationRole(a store.Account) string {
	if a.Identity == "" {
		return h.Settings.DefaultRole
	}
	role, _, _ := strings.Cut(a.Identity, "/")
	return role
}
