package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A Holder is somebody who presented a certificate of ours that is good at this
// moment, as far as the store knows.
type Holder struct {
	store.Holder
	Applicant ca.Identity // method renew

	// Sent is when its request was made, by its own clock; zero: it does not say.
	Sent time.Time
}

// Holder says who presented cert from that address. The caller has seen the proof
// of possession, a finished TLS handshake; that we issued cert is proved by the
// record, which has every byte of it, so no chain is verified. It is one read.
//
// Holder returns [ErrUnauthenticated] if cert is nil or not ours, and a
// [*ca.DeniedError] if it is revoked or out of time, or its identity is not active.
// Both are recorded, through the queue for strangers: a certificate that is void
// authenticates nobody.
//
// The answer is good for one request: a connection may outlive it.
func (r *Registrar) Holder(ctx context.Context, cert *x509.Certificate, from netip.Addr) (Holder, error) {
	return r.holder(ctx, cert, from, r.void)
}

// holder is Holder for a certificate that void has nothing against.
func (r *Registrar) holder(ctx context.Context, cert *x509.Certificate, from netip.Addr, void func(ca.ID, store.Holder) error) (Holder, error) {
	if cert == nil {
		r.refuseStranger(ctx, ReasonCertificate, "", from, "no certificate presented")
		return Holder{}, ErrUnauthenticated
	}
	if ca.ForAttestation(cert) {
		r.refuseStranger(ctx, ReasonCertificate, "", from, "an attestation key's certificate authenticates nobody")
		return Holder{}, ErrUnauthenticated
	}
	serial := store.SerialOf(cert)
	h, err := r.store.Holder(ctx, serial)
	if errors.Is(err, store.ErrNotFound) || err == nil && !bytes.Equal(h.Certificate.DER, cert.Raw) {
		r.unknown(ctx, cert, from)
		return Holder{}, ErrUnauthenticated
	}
	if err != nil {
		return Holder{}, err
	}
	id, err := r.identity(h.Identity, ca.MethodRenew, from)
	if err != nil {
		return Holder{}, err
	}
	if err := void(id.ID, h); err != nil {
		r.tally.refuse(ReasonCertificate)
		r.refusals.add(audit.Event{
			Action: "certificate.refuse", Actor: h.Identity.Path, Subject: h.Identity.Path, Address: address(from), Outcome: err.Error(),
			RequestID: RequestID(ctx), Detail: map[string]any{"proof": "certificate:" + serial.String(), "void": r.voidness(h)},
		})
		return Holder{}, err
	}
	return Holder{Holder: h, Applicant: id}, nil
}

// void says why a certificate on record is good for nothing, or nil.
func (r *Registrar) void(id ca.ID, h store.Holder) error {
	switch now := r.now(); {
	case h.Identity.State != store.Active:
		return notActive(id, h.Identity)
	case h.Revocation != nil:
		return &ca.DeniedError{ID: id, Reason: fmt.Sprintf("certificate %s is revoked", h.Certificate.Serial)}
	case now.After(h.Certificate.NotAfter):
		return &ca.DeniedError{ID: id, Reason: fmt.Sprintf("certificate %s expired at %s", h.Certificate.Serial, h.Certificate.NotAfter.UTC().Format(time.RFC3339))}
	case now.Before(h.Certificate.NotBefore):
		return &ca.DeniedError{ID: id, Reason: fmt.Sprintf("certificate %s is not valid yet", h.Certificate.Serial)}
	}
	return nil
}

// voidness says in a word what void says at length.
func (r *Registrar) voidness(h store.Holder) string {
	switch {
	case h.Revocation != nil || h.Identity.State == store.Revoked:
		return "revoked"
	case h.Identity.State != store.Active:
		return "inactive"
	case r.now().After(h.Certificate.NotAfter):
		return "expired"
	}
	return "early" // or, to be renewed late, still in time
}

// Confirm records that the holder has the certificate in use: from now on its
// parent has no business any more. Confirming twice is not an error. It is
// consistent, and not durable: a crash may lose it, and then a copied parent is
// noticed later.
func (r *Registrar) Confirm(ctx context.Context, h Holder) error {
	if h.Confirmed {
		return nil
	}
	return r.store.Relaxed(ctx, func(tx *store.RelaxedTx) { tx.Confirm(h.Certificate.Serial) })
}
