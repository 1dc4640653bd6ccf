package acme

import (
	"errors"
	"net/http"

	"github.com/betonica/betonica/store"
)

// certificate answers with a certificate that the account got, and its
// intermediates, without the root (RFC 8555, Section 7.4.2). Each has one issuer, so
// there are no alternates.
func (h *Handler) certificate(w http.ResponseWriter, r *request) error {
	if err := r.asGet(); err != nil {
		return err
	}
	serial, err := store.ParseSerial(r.PathValue("serial"))
	if err != nil {
		return notFound("certificate")
	}
	record, err := h.Store.AccountCertificate(r.Context(), r.account.ID, serial)
	if errors.Is(err, store.ErrNotFound) {
		return notFound("certificate")
	}
	if err != nil {
		return err
	}
	cert, err := record.X509()
	if err != nil {
		return err
	}
	send(w, http.StatusOK, mediaChain, h.Registrar.Chain(cert))
	return nil
}
