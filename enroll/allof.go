package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// A part is one of the proofs of a first enrolment. Its Settle uses up itself, and
// leaves the identity to allOf.
type part interface {
	Proof
	method() ca.Method // "" for what names nobody
}

// allOf is every proof that a first enrolment takes, as one: all of them are good, or
// nothing is issued.
type allOf struct {
	r        *Registrar
	parts    []part
	identity *store.Identity // on record; nil: it is created
	owner    string          // of the one that is created
}

// String joins the names of the parts.
func (p *allOf) String() string { return strings.Join(p.names(), "+") }

func (p *allOf) names() []string {
	names := make([]string, len(p.parts))
	for i, part := range p.parts {
		names[i] = part.String()
	}
	return names
}

// Settle uses up the parts, and makes the identity one that gets certificates, at the
// revision that was decided on.
func (p *allOf) Settle(tx *store.Tx, cert *store.Certificate) {
	for _, part := range p.parts {
		part.Settle(tx, cert)
	}
	switch {
	case p.identity == nil:
		role, name, _ := strings.Cut(cert.Identity, "/")
		tx.CreateIdentity(store.Identity{Path: cert.Identity, Role: role, Name: name, Owner: p.owner, State: store.Active})
	case p.identity.State == store.Pending:
		tx.ActivateIdentity(cert.Identity, cert.Revision)
	default:
		// Whoever has copies of the old keys, an account's too, holds nothing any more.
		tx.RevokeAccounts(cert.Identity)
		tx.ReplaceCertificates(cert.Identity, cert.Revision)
		tx.ClearSuspect(cert.Identity)
		cert.Revision++
	}
	cert.Rekey = true
}

// Unmet asks each part what it means: the first that knows more than err has it.
func (p *allOf) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	for _, part := range p.parts {
		cert, e := part.Unmet(ctx, key, err)
		if e == nil {
			return cert, nil
		}
		if !errors.Is(e, err) {
			return nil, e
		}
	}
	return nil, err
}

// A networkProof is that the caller speaks from one of the networks of its role. It
// names nobody.
type networkProof struct{ network string }

func (p networkProof) String() string                       { return "network:" + p.network }
func (p networkProof) Settle(*store.Tx, *store.Certificate) {}
func (p networkProof) method() ca.Method                    { return "" }

func (p networkProof) Unmet(_ context.Context, _ [32]byte, err error) (*x509.Certificate, error) {
	return nil, err
}
