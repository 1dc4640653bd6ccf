package enroll

import (
	"context"
	"crypto/x509"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Reenroll is Renew for clients of EST, which keeps them to more and to less (RFC
// 7030, Section 4.2.2). The request must ask for the subject and the alternative
// names of the certificate that h presented. It may have the identity's own key,
// unless the role says rekey = "required": several clients keep theirs. What the
// request says of its connection must be good enough for the role.
//
// Certificates for one key know their parents as others do: the same request gets the
// same certificate until that is in use, and whoever comes with an old one is on
// record as a fork. The errors are those of Renew.
func (r *Registrar) Reenroll(ctx context.Context, h Holder, csr []byte, c Channel) (*x509.Certificate, error) {
	proof := &parentProof{r: r, parent: h.Certificate.Serial, id: h.Applicant, keeps: true}
	a := Applicant{Identity: h.Applicant, Proof: proof}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	cert, err := h.Certificate.X509()
	if err != nil {
		return nil, err
	}
	if err := r.admitsChannel(h.Applicant.ID, c); err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	if !req.SameNames(cert) {
		return nil, r.refuse(ctx, a, &ca.DeniedError{ID: h.Applicant.ID, Rule: h.Applicant.ID.Role(), Reason: "the request must have the subject and the alternative names of the certificate that it follows"})
	}
	var known error
	if h.Child != nil {
		known = store.ErrForked
	}
	return r.issue(ctx, a, req, known)
}
