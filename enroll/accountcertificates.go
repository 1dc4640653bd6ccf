package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// OrderCertificate returns the certificate that the account was issued. One that
// another account was issued is store.ErrNotFound, as one that nobody was.
func (r *Registrar) OrderCertificate(ctx context.Context, acc store.Account, serial store.Serial) (*x509.Certificate, error) {
	o, err := r.store.OrderOfCertificate(ctx, serial)
	if err != nil {
		return nil, err
	}
	if o.Account != acc.ID {
		return nil, fmt.Errorf("certificate %s of another account: %w", serial, store.ErrNotFound)
	}
	row, err := r.store.Certificate(ctx, serial)
	if err != nil {
		return nil, err
	}
	return row.X509()
}

// MayRevoke reports, as nil or a [*ca.DeniedError], whether the account may have
// cert revoked (RFC 8555, Section 7.6): it was issued the certificate, or it is
// bound to the certificate's identity and holds valid authorizations for all names
// in it. To hold authorizations for the names alone is not enough: the identity is
// one of them. A refusal is recorded. MayRevoke returns store.ErrNotFound if the
// certificate is not ours, to the byte.
func (r *Registrar) MayRevoke(ctx context.Context, acc store.Account, cert *x509.Certificate) error {
	serial := store.SerialOf(cert)
	row, err := r.store.Certificate(ctx, serial)
	if err != nil {
		return err
	}
	if !bytes.Equal(row.DER, cert.Raw) {
		return fmt.Errorf("certificate %s differs from ours: %w", serial, store.ErrNotFound)
	}
	id, err := ca.ParsePath(r.authority.TrustDomain(), row.Identity)
	if err != nil {
		return fmt.Errorf("identity on record: %w", err)
	}
	may, err := r.mayRevoke(ctx, acc, row, cert)
	if err != nil || may {
		return err
	}
	err = &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the account may not revoke certificate " + serial.String()}
	return r.refuseAccount(ctx, acc, row.Identity, netip.Addr{}, err)
}

func (r *Registrar) mayRevoke(ctx context.Context, acc store.Account, row store.Certificate, cert *x509.Certificate) (bool, error) {
	holder, err := r.accountHolder(ctx, acc)
	if _, denied := errors.AsType[*ca.DeniedError](err); denied {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	o, err := r.store.OrderOfCertificate(ctx, row.Serial)
	switch {
	case err == nil && o.Account == acc.ID:
		return true, nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return false, err
	case holder == nil || holder.Path != row.Identity:
		return false, nil
	}
	return r.store.HoldsAuthorizations(ctx, acc.ID, identifiers(cert))
}
