package enroll

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// LateHolder is Holder for a certificate that has expired, as long as its role lets it be
// renewed after that. What was revoked stays so: the store keeps revocations for longer
// than any grace. The answer is good for RenewLate and for nothing else. A certificate
// that is still in time, or whose grace is over, is refused with a [*ca.DeniedError] that
// says what to do.
func (r *Registrar) LateHolder(ctx context.Context, cert *x509.Certificate, from netip.Addr) (Holder, error) {
	return r.holder(ctx, cert, from, r.voidLate)
}

// voidLate says why an expired certificate is good for nothing, or nil.
func (r *Registrar) voidLate(id ca.ID, h store.Holder) error {
	now, cert := r.now(), h.Certificate
	if !now.After(cert.NotAfter) {
		return &ca.DeniedError{ID: id, Reason: fmt.Sprintf("certificate %s has not expired: renew it as usual", cert.Serial)}
	}
	err := r.void(id, h)
	if h.Identity.State != store.Active || h.Revocation != nil {
		return err
	}
	role, _ := r.Policies.Current().Role(id.Role())
	if end := cert.NotAfter.Add(role.Grace); now.After(end) {
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: fmt.Sprintf(
			"certificate %s expired at %s, and could be renewed until %s: it has to enrol anew: %s",
			cert.Serial, cert.NotAfter.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339), enrolAnew(id))}
	}
	return nil
}

// RenewLate issues the certificate that follows the expired one that h, of LateHolder,
// presented, for the new key of a CSR (PEM or DER). That is an alarm: recorded as
// certificate.late before anything is issued, unless that is done again and again, and counted.
//
// It is Renew, but for one thing: only the identity's newest certificate is renewed, whatever
// its role says of forks. The disk that somebody has found in a drawer is no match for the
// machine that went on; it gets a [*ForkedError], and the identity is marked suspect. Until
// its child is in use, the same key gets it again.
func (r *Registrar) RenewLate(ctx context.Context, h Holder, csr []byte) (*x509.Certificate, error) {
	return r.renewLate(ctx, h, csr, false)
}

func (r *Registrar) renewLate(ctx context.Context, h Holder, csr []byte, replayable bool) (*x509.Certificate, error) {
	proof := &parentProof{r: r, parent: h.Certificate.Serial, id: h.Applicant, late: true, replayable: replayable}
	expired := h.Certificate.NotAfter.UTC().Format(time.RFC3339)
	a := Applicant{Identity: h.Applicant, Proof: proof, about: r.clock(h.Sent, map[string]any{"expired": expired})}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	leave, err := r.turns.Enter(ctx, h.Identity.Path, h.Certificate.NotAfter)
	if err != nil {
		return nil, err
	}
	defer leave()
	if h.Child != nil {
		return r.issue(ctx, a, req, store.ErrForked)
	}
	if err := r.Policies.Current().Admits(a.Identity); err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	newest, err := r.store.NewestCertificate(ctx, h.Identity.Path)
	if err != nil {
		return nil, err
	}
	if newest != h.Certificate.Serial {
		return nil, r.refuse(ctx, a, proof.fork(ctx, "left behind by a newer one", newest))
	}
	// Whoever comes late is not suspect for it: it may have lain in a store room.
	e := a.event(ctx, "certificate.late", "asks to be renewed after it has expired", map[string]any{"proof": proof.String()})
	if err := r.alarm(ctx, "", e); err != nil {
		return nil, err
	}
	return r.issue(ctx, a, req, nil)
}

// Late reports whether cert has expired, so that it is LateHolder's.
func (r *Registrar) Late(cert *x509.Certificate) bool { return r.now().After(cert.NotAfter) }
