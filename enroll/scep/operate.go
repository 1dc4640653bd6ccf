package scep

import (
	"crypto"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/limit"
	"github.com/betonica/betonica/enroll/pkcs10"
	"github.com/betonica/betonica/store"
)

// Reasons of a failure (RFC 8894, Section 3.2.1.4).
const (
	badAlg          = "0"
	badMessageCheck = "1"
	badRequest      = "2"
	badCertID       = "4"
)

// operate answers PKIOperation.
func (h *Handler) operate(w http.ResponseWriter, r *http.Request, role string, authority *Authority) {
	source := limit.Source(api.Source(r)).String()
	if wait := h.bad.Full(source, h.Now()); wait > 0 {
		w.Header().Set("Retry-After", "60")
		fail(w, http.StatusTooManyRequests, "Too many messages that cannot be read.")
		return
	}
	text, err := read(w, r)
	var m *message
	if err == nil {
		m, err = parse(text)
	}
	if err != nil {
		h.bad.Count(source, h.Now())
		fail(w, http.StatusBadRequest, "This is not a message of SCEP.")
		return
	}
	ra, err := authority.certificate(r.Context(), h.Now())
	if err != nil {
		h.broken(w, r, err)
		return
	}
	a := h.answer(r, role, authority, m)
	if a.internal != nil {
		h.broken(w, r, a.internal)
		return
	}
	if a.fail == badMessageCheck {
		h.bad.Count(source, h.Now())
	}
	body, err := a.marshal(m, ra, authority.Key)
	if err != nil {
		h.broken(w, r, err)
		return
	}
	write(w, "application/x-pki-message", body)
}

// answer judges a message.
func (h *Handler) answer(r *http.Request, role string, authority *Authority, m *message) answer {
	if m.weak {
		return answer{fail: badAlg}
	}
	if m.kind != typePKCSReq && m.kind != typeRenewalReq && m.kind != typeGetCertInitial {
		return answer{fail: badRequest}
	}
	sealed, err := readEnvelope(m.content)
	if errors.Is(err, errAlgorithm) {
		return answer{fail: badAlg}
	}
	var content []byte
	if err == nil {
		content, err = sealed.open(authority.Key)
	}
	if err != nil {
		return answer{fail: badMessageCheck}
	}
	csr := content
	if m.kind == typeGetCertInitial { // it says of what in clear: the transaction
		if csr = h.waiting.take(m); csr == nil {
			return answer{fail: badCertID}
		}
	}
	// Whatever was decrypted that is no request of the signer's is like one that could
	// not be.
	req, err := ca.ParseRequest(csr)
	if err != nil || m.kind != typeRenewalReq && !same(req.PublicKey(), m.signer) {
		return answer{fail: badMessageCheck}
	}
	cert, err := h.issue(r, role, m, csr)
	if _, pending := errors.AsType[*enroll.PendingError](err); pending {
		h.waiting.keep(m, csr, h.Now())
		return answer{pending: true}
	}
	if err != nil {
		return failed(err)
	}
	return answer{certificates: append([]*x509.Certificate{cert}, h.Issuers.Chain(cert)...), by: sealed.by}
}

// issue asks the Registrar: by the token in the challenge password, or by the
// certificate that the message is signed with.
func (h *Handler) issue(r *http.Request, role string, m *message, csr []byte) (*x509.Certificate, error) {
	ctx, from := r.Context(), api.Source(r)
	if m.kind == typeRenewalReq {
		holder, err := h.Registrar.Holder(ctx, m.signer, from)
		if err != nil {
			return nil, err
		}
		return h.Registrar.Reenroll(ctx, holder, csr, enroll.Terms{Role: role})
	}
	policy, _ := h.Registrar.Policies.Current().Role(role)
	claim := enroll.Claim{CSR: csr, From: from, Role: role, Token: challenge(csr)}
	claim.Ask = slices.Contains(policy.Methods, ca.MethodApproval)
	return h.Registrar.Admit(ctx, claim)
}

// challenge returns the challenge password, "" if there is none.
func challenge(csr []byte) string {
	for oid, values := range pkcs10.Attributes(csr) {
		if oid.Equal(pkcs10.ChallengePassword) {
			text, _ := pkcs10.Text(values)
			return text
		}
	}
	return ""
}

func same(key crypto.PublicKey, cert *x509.Certificate) bool {
	k, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(cert.PublicKey)
}

// failed says what a client learns of an error: that it was refused, or nothing.
func failed(err error) answer {
	_, denied := errors.AsType[*ca.DeniedError](err)
	_, request := errors.AsType[*ca.RequestError](err)
	_, limited := errors.AsType[*enroll.RateLimitError](err)
	_, queue := errors.AsType[*enroll.QueueError](err)
	refused := []error{enroll.ErrUnauthenticated, enroll.ErrReused, store.ErrKeyTaken, store.ErrNameTaken, store.ErrExists, store.ErrForked, store.ErrStale}
	if denied || request || limited || queue || slices.ContainsFunc(refused, func(e error) bool { return errors.Is(err, e) }) {
		return answer{fail: badRequest}
	}
	return answer{internal: err}
}
