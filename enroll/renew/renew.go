// Package renew serves POST /v1/renew and POST /v1/confirm: a machine that holds a
// certificate of ours gets the next one, and says when that is in use. It reads
// the request and writes the answer; everything between is package enroll's.
package renew

import (
	"crypto/x509"
	"net/http"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
)

// A Handler serves machines over mutual TLS. Its methods return what went wrong;
// the server turns that into a problem document.
//
// The server only asks for a client certificate; whether it is good is looked up
// on each request, since a connection may outlive its certificate.
type Handler struct {
	Registrar *enroll.Registrar
}

// Renew answers POST /v1/renew: a CSR for a new key, for the certificate that
// follows the presented one. The errors are those of enroll.Registrar's Holder and
// Renew, and [*api.BadRequestError].
func (h *Handler) Renew(w http.ResponseWriter, r *http.Request) error {
	body, err := api.ReadBody(w, r)
	if err != nil {
		return err
	}
	if body.Ask || body.Role != "" {
		return &api.BadRequestError{Status: http.StatusBadRequest, Detail: "ask and role are for a first certificate: this renews one"}
	}
	holder, err := h.holder(r)
	if err != nil {
		return err
	}
	cert, err := h.Registrar.Renew(r.Context(), holder, body.CSR)
	if err != nil {
		return err
	}
	return body.Reply(w, h.Registrar.Answer(r.Context(), cert, body.Since))
}

// Confirm answers POST /v1/confirm: the presented certificate is in use. A body is
// not read.
func (h *Handler) Confirm(w http.ResponseWriter, r *http.Request) error {
	holder, err := h.holder(r)
	if err != nil {
		return err
	}
	if err := h.Registrar.Confirm(r.Context(), holder); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// holder says who presented a certificate, and showed in the handshake to have its
// key.
func (h *Handler) holder(r *http.Request) (enroll.Holder, error) {
	var presented *x509.Certificate
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		presented = r.TLS.PeerCertificates[0]
	}
	return h.Registrar.Holder(r.Context(), presented, api.Source(r))
}
