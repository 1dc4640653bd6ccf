package scep

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
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
	switch m.kind {
	case typePKCSReq, typeRenewalReq, typeGetCertInitial, typeGetCert, typeGetCRL:
	default:
		return answer{fail: badRequest}
	}
	sealed, err := readEnvelope(m.content)
	if errors.Is(err, errAlgorithm) {
		return answer{fail: badAlg}
	}
	if err != nil {
		return answer{fail: badMessageCheck}
	}
	var csr []byte
	switch m.kind {
	case typeGetCert, typeGetCRL:
		content, _ := sealed.open(authority.Key) // or nothing, which names no certificate
		a := h.query(r, m, content)
		a.sealed = sealed
		return a
	case typeGetCertInitial: // nobody asks after more than one certificate for one key, whatever is sealed
		csr, err = h.Registrar.Asked(r.Context(), m.key())
		if err != nil {
			return failed(err)
		}
	default:
		if csr, err = sealed.open(authority.Key); err != nil {
			return answer{fail: badMessageCheck}
		}
	}
	// Whatever was decrypted that is no request of the signer's is like one that could
	// not be.
	req, err := ca.ParseRequest(csr)
	if err != nil || csr[0] != 0x30 || m.kind != typeRenewalReq && !same(req.PublicKey(), m.signer) {
		return answer{fail: badMessageCheck}
	}
	cert, err := h.issue(r, role, m, csr)
	if _, pending := errors.AsType[*enroll.PendingError](err); pending {
		return answer{pending: true}
	}
	if err != nil {
		return failed(err)
	}
	return answer{certificates: append([]*x509.Certificate{cert}, h.Issuers.Chain(cert)...), sealed: sealed}
}

// issue asks the Registrar: by the token in the challenge password, or by the
// certificate that the message is signed with.
func (h *Handler) issue(r *http.Request, role string, m *message, csr []byte) (*x509.Certificate, error) {
	ctx, from := r.Context(), api.Source(r)
	if m.kind == typeRenewalReq {
		return h.renew(ctx, role, m, csr, from)
	}
	policy, _ := h.Registrar.Policies.Current().Role(role)
	claim := enroll.Claim{CSR: csr, From: from, Role: role, Token: challenge(csr), Replayable: true}
	claim.Ask = slices.Contains(policy.Methods, ca.MethodApproval)
	return h.Registrar.Admit(ctx, claim)
}

// renew follows on the certificate that the message is signed with; one that has expired is
// good as long as its role says. Whoever has seen a message can send it again, and so
// nothing is made of that.
func (h *Handler) renew(ctx context.Context, role string, m *message, csr []byte, from netip.Addr) (*x509.Certificate, error) {
	if challenge(csr) != "" { // somebody's first request, in another one's message
		return nil, &ca.RequestError{Reason: "a renewal takes no challenge password"}
	}
	find, issue := h.Registrar.Holder, h.Registrar.Reenroll
	if h.Registrar.Late(m.signer) {
		find, issue = h.Registrar.LateHolder, h.Registrar.ReenrollLate
	}
	holder, err := find(ctx, m.signer, from)
	if err != nil {
		return nil, err
	}
	return issue(ctx, holder, csr, enroll.Terms{Role: role, Replayable: true})
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
	if errors.Is(err, enroll.ErrNotAsked) {
		return answer{fail: badCertID}
	}
	if denied || request || limited || queue || slices.ContainsFunc(refused, func(e error) bool { return errors.Is(err, e) }) {
		return answer{fail: badRequest}
	}
	return answer{internal: err}
}
