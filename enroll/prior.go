package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// byKey returns the newest certificate for a public key and what became of it;
// nil if there is none.
func (r *Registrar) byKey(ctx context.Context, key [32]byte) (*store.Holder, error) {
	cert, err := r.store.CertificateByKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h, err := r.store.Holder(ctx, cert.Serial)
	if err != nil {
		return nil, err
	}
	return &h, nil
}

// again returns a certificate to whoever was given it before, unless it has been
// taken from him meanwhile.
func (r *Registrar) again(ctx context.Context, prior *store.Holder) (*x509.Certificate, error) {
	id, err := r.identity(prior.Identity, ca.Method(prior.Certificate.Method), netip.Addr{})
	if err != nil {
		return nil, err
	}
	if prior.Identity.State != store.Active {
		return nil, notActive(id.ID, prior.Identity)
	}
	if prior.Revocation != nil {
		return nil, &ca.DeniedError{ID: id.ID, Reason: fmt.Sprintf("certificate %s is revoked", prior.Certificate.Serial)}
	}
	r.log.InfoContext(ctx, "sent again", "identity", prior.Identity.Path, "serial", prior.Certificate.Serial, "request", RequestID(ctx))
	return prior.Certificate.X509()
}

// keyTaken alarms if the identity of that path, "" if it is not on record, asks
// with a public key that belongs to another one: a copied key, or a copied image.
// The other one is not suspect for it, since a CSR is no secret. It returns err.
func (r *Registrar) keyTaken(ctx context.Context, path, proof string, prior *store.Holder, err error) error {
	if prior == nil || prior.Identity.Path == path {
		return err
	}
	who := path
	if who == "" {
		who = proof
	}
	e := r.alarm(ctx, path, audit.Event{
		Action: "identity.suspect", Actor: who, Subject: who, Outcome: "asked with the public key of another identity",
		RequestID: RequestID(ctx), Detail: map[string]any{"proof": proof, "other": prior.Identity.Path, "reason": "key"},
	})
	if e != nil {
		return e
	}
	return err
}

// identity returns what is on record as policy judges it.
func (r *Registrar) identity(i store.Identity, method ca.Method, from netip.Addr) (ca.Identity, error) {
	id, err := ca.ParsePath(r.issuers.TrustDomain(), i.Path)
	if err != nil {
		return ca.Identity{}, fmt.Errorf("identity on record: %w", err)
	}
	ips := make([]netip.Addr, len(i.IPs))
	for n, text := range i.IPs {
		if ips[n], err = netip.ParseAddr(text); err != nil {
			return ca.Identity{}, fmt.Errorf("identity %s on record: %w", i.Path, err)
		}
	}
	return ca.Identity{ID: id, Revision: i.Revision, Method: method, DNSNames: i.DNSNames, IPs: ips, Source: from, TPM: len(i.EK) > 0}, nil
}

// notActive refuses an identity for the state that it is in.
func notActive(id ca.ID, i store.Identity) error {
	return &ca.DeniedError{ID: id, Rule: i.Role, Reason: fmt.Sprintf("the identity is %s", i.State)}
}
