package enroll

import (
	"context"
	"crypto/x509"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Terms are what EST asks of a request that follows on a certificate, or the client
// of EST.
type Terms struct {
	Role      string  // that was asked for; "": the certificate's
	Channel   Channel // what the request says of its connection
	SameNames bool    // it must have the names of the certificate (RFC 7030, Section 4.2.2)

	// Replayable says that whoever has seen the request can bring it again, as over SCEP.
	// That it comes again then says nothing about who has the certificate's key, and it
	// gets the same answer for ever.
	Replayable bool
}

// Reenroll is Renew for clients of EST. The request may have the identity's own key,
// unless the role says rekey = "required": several clients keep theirs. It must meet
// the terms.
//
// Certificates for one key know their parents as others do: the same request gets the
// same certificate until that is in use, and whoever comes with an old one is on
// record as a fork. The errors are those of Renew.
func (r *Registrar) Reenroll(ctx context.Context, h Holder, csr []byte, t Terms) (*x509.Certificate, error) {
	proof := &parentProof{r: r, parent: h.Certificate.Serial, id: h.Applicant, keeps: true, replayable: t.Replayable}
	a := Applicant{Identity: h.Applicant, Proof: proof, about: r.clock(h.Sent, nil)}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	if err := r.meets(h, req, t); err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	var known error
	if h.Child != nil {
		known = store.ErrForked
	}
	leave, err := r.turns.Enter(ctx, h.Identity.Path, h.Certificate.NotAfter)
	if err != nil {
		return nil, err
	}
	defer leave()
	return r.issue(ctx, a, req, known)
}

// ReenrollLate is RenewLate, which it takes the holder and the errors of, for a request
// that must meet the terms. It takes a new key.
func (r *Registrar) ReenrollLate(ctx context.Context, h Holder, csr []byte, t Terms) (*x509.Certificate, error) {
	req, err := ca.ParseRequest(csr)
	if err == nil {
		err = r.meets(h, req, t)
	}
	if err != nil {
		proof := &parentProof{r: r, parent: h.Certificate.Serial, id: h.Applicant, late: true}
		return nil, r.refuse(ctx, Applicant{Identity: h.Applicant, Proof: proof}, err)
	}
	return r.renewLate(ctx, h, csr, t.Replayable)
}

// meets says why a request does not meet the terms, or nil.
func (r *Registrar) meets(h Holder, req ca.Request, t Terms) error {
	id := h.Applicant.ID
	if t.Role != "" && t.Role != id.Role() {
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the certificate is of this role and no other"}
	}
	if err := r.admitsChannel(id, t.Channel); err != nil || !t.SameNames {
		return err
	}
	cert, err := h.Certificate.X509()
	if err == nil && !req.SameNames(cert) {
		err = &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the request must have the subject and the alternative names of the certificate that it follows"}
	}
	return err
}
