package est

import (
	"crypto/x509"
	"net/http"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
)

// enroll answers POST simpleenroll (RFC 7030, Section 4.2.1). Whoever shows only a
// certificate of ours gets the one that follows on it.
func (h *Handler) enroll(w http.ResponseWriter, r *http.Request, label string) error {
	csr, err := readCSR(w, r)
	if err != nil {
		return err
	}
	claim, err := h.claim(r, label, csr)
	if err != nil {
		return err
	}
	cert, err := h.admit(r, claim)
	if err != nil {
		return err
	}
	return replyCertificates(w, r, []*x509.Certificate{cert})
}

// claim is all that the client shows.
func (h *Handler) claim(r *http.Request, label string, csr []byte) (enroll.Claim, error) {
	text, err := token(r)
	if err != nil {
		return enroll.Claim{}, err
	}
	if text != "" && holdsOther(csr, text) {
		return enroll.Claim{}, errOtherToken
	}
	_, birth := h.certificates(r)
	return enroll.Claim{
		CSR: csr, From: api.Source(r), Role: label, Token: text, Birth: birth, Sent: api.Sent(r),
		Channel: channelOf(csr, r.TLS),
		Ask:     text != "" || birth != nil || h.takesApproval(label),
	}, nil
}

// takesApproval reports whether who shows nothing may wait for a person's approval
// (RFC 7030, Section 4.2.3: 202). Elsewhere he has to hear 401, which some clients
// wait for before they show their credentials.
func (h *Handler) takesApproval(label string) bool {
	role, ok := h.Registrar.Policies.Current().Role(label)
	return ok && slices.Contains(role.Methods, ca.MethodApproval)
}

// admit asks for a first certificate or, where the only thing shown is one of ours,
// for the next.
func (h *Handler) admit(r *http.Request, claim enroll.Claim) (*x509.Certificate, error) {
	if ours, _ := h.certificates(r); ours != nil && claim.Token == "" && !claim.ServerKey {
		return h.follow(r, ours, claim.CSR, enroll.Terms{Role: claim.Role, Channel: claim.Channel})
	}
	return h.Registrar.Admit(r.Context(), claim)
}

// reenroll answers POST simplereenroll (RFC 7030, Section 4.2.2). Only the current
// certificate says who asks.
func (h *Handler) reenroll(w http.ResponseWriter, r *http.Request, label string) error {
	csr, err := readCSR(w, r)
	if err != nil {
		return err
	}
	ours, _ := h.certificates(r)
	if ours == nil {
		return errNoCertificate
	}
	cert, err := h.follow(r, ours, csr, enroll.Terms{Role: label, Channel: channelOf(csr, r.TLS), SameNames: true})
	if err != nil {
		return err
	}
	return replyCertificates(w, r, []*x509.Certificate{cert})
}
