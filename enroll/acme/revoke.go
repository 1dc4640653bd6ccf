package acme

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"

	"github.com/betonica/betonica/store"
)

// A Revoker revokes certificates on behalf of clients. It is declared here, by its
// user, so that acme does not import package revoke.
type Revoker interface {
	// RevokeCertificate revokes one certificate of ours, for a reason of RFC 5280,
	// Section 5.3.1. When it returns nil the fact is durable and in the audit log,
	// and OCSP answers say so. It returns [ErrAlreadyRevoked] if the certificate is
	// revoked. It must be usable concurrently.
	RevokeCertificate(ctx context.Context, by Requester, serial store.Serial, reason int) error
}

// A Requester is a client that may revoke what it asks to have revoked.
type Requester struct {
	Name     string // for the audit log: "account:<id>", or "key" for the certificate's own
	Identity string // path of whose certificate it is
	From     netip.Addr
}

// ErrAlreadyRevoked is what [Revoker] returns for a certificate that is revoked.
var ErrAlreadyRevoked = errors.New("the certificate is revoked already")

// reasons are those that the holder of a certificate can have (RFC 5280, Section
// 5.3.1): unspecified, keyCompromise, affiliationChanged, superseded and
// cessationOfOperation. The others are for authorities.
var reasons = []int{0, 1, 3, 4, 5}

// revokeCert revokes a certificate for the account that got it, for one of the
// same identity that may have all its names, and for whoever has its key (RFC
// 8555, Section 7.6).
func (h *Handler) revokeCert(w http.ResponseWriter, r *request) error {
	var req struct {
		Certificate string `json:"certificate"`
		Reason      int    `json:"reason"`
	}
	if err := decode(r.payload, &req); err != nil {
		return err
	}
	if !slices.Contains(reasons, req.Reason) {
		return newProblem(http.StatusBadRequest, badRevocationReason, "reasons are 0, 1, 3, 4 and 5")
	}
	cert, err := parseCertificate(req.Certificate)
	if err != nil {
		return err
	}
	serial := store.SerialOf(cert)
	record, err := h.Store.Certificate(r.Context(), serial)
	if errors.Is(err, store.ErrNotFound) || err == nil && !bytes.Equal(record.DER, cert.Raw) {
		return notFound("certificate of this authority")
	}
	if err != nil {
		return err
	}
	by := Requester{Name: "key", Identity: record.Identity, From: r.from()}
	switch {
	case r.account != nil:
		by.Name = "account:" + r.account.ID.String()
		if err := h.Registrar.MayRevoke(r.Context(), *r.account, cert, r.from()); err != nil {
			return err
		}
	case !r.key.equal(cert.PublicKey):
		return newProblem(http.StatusForbidden, unauthorized, "the key is neither the certificate's nor named by an account's URL")
	}
	if err := h.Revoker.RevokeCertificate(r.Context(), by, serial, req.Reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
