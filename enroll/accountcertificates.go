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

// MayRevoke reports, as nil or a [*ca.DeniedError], whether the account may have
// cert revoked (RFC 8555, Section 7.6): it was issued the certificate, or it is
// bound to the certificate's identity and holds valid authorizations for all names
// in it. To hold authorizations for the names alone is not enough: the identity is
// one of them. A refusal is recorded. MayRevoke returns store.ErrNotFound if the
// certificate is not ours, to the byte.
func (r *Registrar) MayRevoke(ctx context.Context, acc store.HeldAccount, cert *x509.Certificate, from netip.Addr) error {
	serial := store.SerialOf(cert)
	row, err := r.store.Certificate(ctx, serial)
	if err != nil {
		return err
	}
	if !bytes.Equal(row.DER, cert.Raw) {
		return fmt.Errorf("certificate %s differs from ours: %w", serial, store.ErrNotFound)
	}
	id, err := ca.ParsePath(r.issuers.TrustDomain(), row.Identity)
	if err != nil {
		return fmt.Errorf("identity on record: %w", err)
	}
	may, err := r.mayRevoke(ctx, acc, row, cert)
	if err != nil || may {
		return err
	}
	err = &ca.DeniedError{ID: id, Rule: id.Role(), Reason: "the account may not revoke certificate " + serial.String()}
	return r.refuseAccount(ctx, acc.Account, row.Identity, from, err)
}

func (r *Registrar) mayRevoke(ctx context.Context, acc store.HeldAccount, row store.Certificate, cert *x509.Certificate) (bool, error) {
	err := r.good(acc)
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
	case acc.Holder == nil || acc.Holder.Path != row.Identity:
		return false, nil
	}
	return r.store.HoldsAuthorizations(ctx, acc.ID, identifiers(cert))
}
