// Package join serves POST /v1/enroll: a machine that can prove who it is gets its
// first certificate. It reads the request and writes the answer; everything
// between is package enroll's.
package join

import (
	"crypto/x509"
	"errors"
	"net/http"
	"strings"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
)

// A Handler serves machines that enrol. Its method returns what went wrong; the
// server turns that into a problem document.
type Handler struct {
	Registrar *enroll.Registrar
}

// Enroll answers POST /v1/enroll: a CSR for a certificate. The token is in the
// Authorization header (RFC 6750, Section 2.1) and nowhere else; a birth certificate is
// the one that the caller presents in TLS, unless that is ours. Whoever asks for approval,
// and has none yet, is answered with 202 and when to come again. The errors are those of
// enroll.Registrar.Admit, and [*api.BadRequestError].
func (h *Handler) Enroll(w http.ResponseWriter, r *http.Request) error {
	body, err := api.ReadBody(w, r)
	if err != nil {
		return err
	}
	token, err := bearer(r)
	if err != nil {
		return err
	}
	var attested *enroll.Attestation
	if body.Attestation != nil {
		if attested, err = h.Registrar.Attested(r.Context(), *body.Attestation, body.CSR, api.Source(r)); err != nil {
			return err
		}
	}
	claim := enroll.Claim{CSR: body.CSR, From: api.Source(r), Role: body.Role, Token: token, Birth: h.birth(r), TPM: attested, Ask: body.Ask, Sent: api.Sent(r)}
	if token == "" && len(r.Header.Values("Authorization")) > 0 {
		claim.Ask = false // who shows what is no token has nothing wrong approved away
	}
	cert, err := h.Registrar.Admit(r.Context(), claim)
	if pending, ok := errors.AsType[*enroll.PendingError](err); ok {
		return pending.Answer().Reply(w)
	}
	if err != nil {
		return err
	}
	return body.Reply(w, h.Registrar.Answer(r.Context(), cert, body.Since))
}

// birth returns what the caller has presented, and has shown in the handshake to have the
// key of, if that is not a certificate of ours: a machine that enrols anew may still
// present the one it has.
func (h *Handler) birth(r *http.Request) []*x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !h.Registrar.Foreign(r.TLS.PeerCertificates[0]) {
		return nil
	}
	return r.TLS.PeerCertificates
}

// bearer returns the token of the only Authorization header; "" if there is none,
// which is no good token either.
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return "", &api.BadRequestError{Status: http.StatusBadRequest, Detail: "more than one Authorization header"}
	}
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	return strings.TrimLeft(token, " "), nil
}
