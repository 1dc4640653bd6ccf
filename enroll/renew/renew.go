// Package renew serves POST /v1/renew, /v1/renew/late and /v1/confirm: a machine that holds a
// certificate of ours gets the next one, and says when that is in use. It reads
// the request and writes the answer; everything between is package enroll's.
package renew

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/netip"

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
	return h.renew(w, r, h.Registrar.Holder, h.Registrar.Renew)
}

// RenewLate answers POST /v1/renew/late: it is Renew for a certificate that has expired.
// The errors are those of enroll.Registrar's LateHolder and RenewLate, and
// [*api.BadRequestError].
func (h *Handler) RenewLate(w http.ResponseWriter, r *http.Request) error {
	return h.renew(w, r, h.Registrar.LateHolder, h.Registrar.RenewLate)
}

type (
	finder  func(context.Context, *x509.Certificate, netip.Addr) (enroll.Holder, error)
	renewer func(context.Context, enroll.Holder, []byte) (*x509.Certificate, error)
)

func (h *Handler) renew(w http.ResponseWriter, r *http.Request, find finder, renew renewer) error {
	body, err := api.ReadBody(w, r)
	if err != nil {
		return err
	}
	if body.Ask || body.Role != "" {
		return &api.BadRequestError{Status: http.StatusBadRequest, Detail: "ask and role are for a first certificate: this renews one"}
	}
	holder, err := find(r.Context(), presented(r), api.Source(r))
	if err != nil {
		return err
	}
	if body.Attestation != nil {
		if holder, err = h.Registrar.AttestHolder(r.Context(), holder, *body.Attestation, body.CSR); err != nil {
			return err
		}
	}
	holder.Sent = api.Sent(r)
	cert, err := renew(r.Context(), holder, body.CSR)
	if err != nil {
		return err
	}
	return body.Reply(w, h.Registrar.Answer(r.Context(), cert, body.Since))
}

// Confirm answers POST /v1/confirm: the presented certificate is in use. A body is
// not read.
func (h *Handler) Confirm(w http.ResponseWriter, r *http.Request) error {
	holder, err := h.Registrar.Holder(r.Context(), presented(r), api.Source(r))
	if err != nil {
		return err
	}
	if err := h.Registrar.Confirm(r.Context(), holder); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// presented returns the certificate whose key the caller has shown in the handshake to
// have; nil if there is none.
func presented(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
