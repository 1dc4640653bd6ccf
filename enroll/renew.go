package enroll

import (
	"context"
	"crypto/x509"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Renew issues the certificate that follows the one that h presented, for the new
// key of a CSR (PEM or DER).
//
// A certificate has one child. Until that child is in use the same key gets it
// again, for a reply may get lost. A parent that comes with another key, or after
// its child was in use, has two holders: that is recorded as certificate.fork,
// and the identity is marked suspect. It is served all the same, or refused with
// a [*ca.DeniedError] if the role says fork = "refuse". The other errors are
// those of Issue.
func (r *Registrar) Renew(ctx context.Context, h Holder, csr []byte) (*x509.Certificate, error) {
	proof := &parentProof{r: r, parent: h.Certificate.Serial, id: h.Applicant, child: nil}
	a := Applicant{Identity: h.Applicant, Proof: proof, about: r.clock(h.Sent, nil)}
	req, err := ca.ParseRequest(csr)
	if err != nil {
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
