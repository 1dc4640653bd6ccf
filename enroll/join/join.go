// Package join serves POST /v1/enroll: a machine that has a join token gets its
// first certificate. It reads the request and writes the answer; everything
// between is package enroll's.
package join

import (
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

// Enroll answers POST /v1/enroll: a CSR, with the token in the Authorization
// header (RFC 6750, Section 2.1) and nowhere else, for a certificate. The errors
// are those of enroll.Registrar.Enroll, and [*api.BadRequestError].
func (h *Handler) Enroll(w http.ResponseWriter, r *http.Request) error {
	body, err := api.ReadBody(w, r)
	if err != nil {
		return err
	}
	token, err := bearer(r)
	if err != nil {
		return err
	}
	cert, err := h.Registrar.Enroll(r.Context(), token, api.Source(r), body.CSR)
	if err != nil {
		return err
	}
	return body.Reply(w, h.Registrar.Answer(r.Context(), cert, body.Since))
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
