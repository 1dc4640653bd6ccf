package attest

import (
	"context"
	"crypto/fips140"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
)

// A Handler serves machines with a TPM. Its methods return what went wrong; the server
// turns that into a problem document.
type Handler struct {
	Registrar *enroll.Registrar
	Now       func() time.Time // nil: time.Now
}

// Begin answers POST /v1/attest/begin. The errors are those of enroll.Registrar's
// Challenge, and [*api.BadRequestError].
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request) error {
	token, err := api.Bearer(r)
	if err != nil {
		return err
	}
	var req api.AttestBegin
	if err := api.ReadJSON(w, r, &req); err != nil {
		return err
	}
	challenge, err := h.begin(r.Context(), req, token, api.Source(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, challenge)
}

func (h *Handler) begin(ctx context.Context, req api.AttestBegin, token string, from netip.Addr) (api.AttestChallenge, error) {
	none := api.AttestChallenge{}
	refused := func(err error) (api.AttestChallenge, error) {
		if e, ok := errors.AsType[*formError](err); ok {
			return none, h.Registrar.RefuseAttestation(ctx, from, e.Error())
		}
		return none, err
	}
	if fips140.Enforced() {
		return none, h.Registrar.RefuseAttestation(ctx, from, notApproved)
	}
	ak, err := parseAK(req.AKPublic)
	if err != nil {
		return refused(err)
	}
	chain, err := parseChain(req.EKCertificate)
	if err != nil {
		return refused(err)
	}
	ek, err := parseEK(req.EKPublic, chain)
	if err != nil {
		return refused(err)
	}
	challenge, err := h.Registrar.Challenge(ctx, enroll.Endorsement{
		EK: ek.key, AK: ak.key, Token: token, From: from,
		Vouched: func(roots []*x509.Certificate) (ca.TPM, error) { return vouched(chain, roots, h.now()) },
	})
	if err != nil {
		return none, err
	}
	credential, secret, err := ek.hide(challenge.Secret[:], ak.name)
	if err != nil {
		return refused(err)
	}
	return api.AttestChallenge{ID: challenge.ID, Credential: credential, Secret: secret}, nil
}

// notApproved refuses what would need AES in CFB mode, in which TPM2_MakeCredential hides
// its secret (TPM 2.0 Library, Part 1, Section 24.4), and which Go's module does not have.
const notApproved = "FIPS 140-3 is enforced here, which forbids AES in CFB mode, by which a secret is hidden for a TPM: no attestation key is certified by this replica"

// Finish answers POST /v1/attest/finish. The errors are those of enroll.Registrar's
// CertifyAttestationKey, and [*api.BadRequestError].
func (h *Handler) Finish(w http.ResponseWriter, r *http.Request) error {
	var req api.AttestFinish
	if err := api.ReadJSON(w, r, &req); err != nil {
		return err
	}
	cert, err := h.Registrar.CertifyAttestationKey(r.Context(), req.ID, req.Secret, api.Source(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, api.AttestCertificate{Certificate: string(h.Registrar.Chain(cert)), Nonce: h.Registrar.NewNonce()})
}

// Nonce answers POST /v1/attest/nonce. The errors are those of enroll.Registrar's
// AttestationNonce, and [*api.BadRequestError].
func (h *Handler) Nonce(w http.ResponseWriter, r *http.Request) error {
	var req api.AttestNonce
	if err := api.ReadJSON(w, r, &req); err != nil {
		return err
	}
	nonce, err := h.Registrar.AttestationNonce(r.Context(), req.Serial, api.Source(r))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, api.AttestNonce{Nonce: nonce})
}

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// reply writes a small answer, for this caller alone.
func reply(w http.ResponseWriter, status int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", api.MediaJSON)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(text) // a caller that is gone begins again
	return nil
}
