package acme

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/betonica/betonica/store"
)

// newNonce answers newNonce (RFC 8555, Section 7.2): 200 to HEAD, 204 to GET.
func (h *Handler) newNonce(w http.ResponseWriter, r *http.Request) error {
	h.replayNonce(w)
	h.linkDirectory(w, r)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet {
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// replayNonce gives the client a nonce for its next request: on every answer to a
// POST, failed ones too, so that no request is needed to get one (Section 6.5).
func (h *Handler) replayNonce(w http.ResponseWriter) {
	nonce := h.Store.NewNonce()
	w.Header()["Replay-Nonce"] = []string{base64.RawURLEncoding.EncodeToString(nonce[:])}
}

// useNonce uses a nonce up. A fresh one of ours is never refused: some clients do
// not try again.
func (h *Handler) useNonce(ctx context.Context, text *string) error {
	if text == nil {
		return newProblem(http.StatusBadRequest, badNonce, "JWS: there is no nonce")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(*text)
	if err != nil || len(b) != 16 {
		return errNonce
	}
	err = h.Store.UseNonce(ctx, [16]byte(b))
	if errors.Is(err, store.ErrSpent) {
		return errNonce
	}
	return err
}

var errNonce = newProblem(http.StatusBadRequest, badNonce, "JWS: the nonce was used before, or is not of here: the answer has a new one")
