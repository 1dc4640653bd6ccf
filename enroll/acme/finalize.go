package acme

import (
	"errors"
	"net/http"

	"github.com/betonica/betonica/store"
)

// finalize gives an order its certificate (RFC 8555, Section 7.4). Issuing takes
// milliseconds, so the answer is the valid order; sent again with the same key,
// because an answer was lost, it is the same. Whether the account may have the
// names is decided now, whatever was said when the order was made.
func (h *Handler) finalize(w http.ResponseWriter, r *request) error {
	var req struct {
		CSR string `json:"csr"`
	}
	if err := decode(r.payload, &req); err != nil {
		return err
	}
	csr, err := decodeBase64(req.CSR)
	if err != nil {
		return newProblem(http.StatusBadRequest, badCSR, "csr is not base64url")
	}
	o, all, err := h.ownOrder(r.Context(), r)
	if err != nil {
		return err
	}
	if status := orderStatus(o, all, h.Now()); status != statusReady && status != statusValid {
		return newProblem(http.StatusForbidden, orderNotReady, "the order is "+status)
	}
	cert, err := h.Registrar.Finalize(r.Context(), *r.account, o, all, csr, r.from())
	if errors.Is(err, store.ErrSpent) {
		return newProblem(http.StatusForbidden, orderNotReady, "the order has its certificate, for another key, or is not ready any more")
	}
	if errors.Is(err, store.ErrKeyTaken) {
		return newProblem(http.StatusBadRequest, badCSR, "the public key has been used before: make a new one") // Section 11.1, too
	}
	if err != nil {
		return err
	}
	serial := store.SerialOf(cert)
	o.Status, o.Serial = store.OrderValid, &serial
	return h.replyOrder(w, r, http.StatusOK, o, all)
}
