package enroll

import (
	"context"
	"crypto/x509"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// unissued is what the log says of a certificate that bears a signature of ours, and is not
// on record.
const unissued = "signed by an issuer of ours, and not on record"

// unknown records that somebody presented a certificate that is not on record as it is. One
// that is in time and bears the signature of one of our issuers is no stranger's: somebody
// else signs with that key, or the store was set back behind what it had issued. What it
// says of its holder is in the entry's detail, since nobody has proved it.
//
// Of what has ended the store may have let go, so that it proves nothing.
func (r *Registrar) unknown(ctx context.Context, cert *x509.Certificate, from netip.Addr) {
	if r.now().After(cert.NotAfter) || !r.signed(cert) {
		r.refuseStranger(ctx, ReasonCertificate, "", from, "not a certificate of ours")
		return
	}
	claims := ""
	if len(cert.URIs) == 1 {
		if id, err := ca.ParseID(cert.URIs[0].String()); err == nil && id.TrustDomain() == r.issuers.TrustDomain() {
			claims = id.Path()
		}
	}
	r.tally.refuse(ReasonCertificate)
	r.log.ErrorContext(ctx, "somebody presented a certificate that is "+unissued, "serial", store.SerialOf(cert), "claims", claims, "from", address(from))
	r.refusals.add(audit.Event{
		Action: string(ReasonCertificate) + ".refuse", Actor: stranger, Address: address(from), Outcome: unissued, RequestID: RequestID(ctx),
		Detail: map[string]any{"proof": "certificate:" + store.SerialOf(cert).String(), "void": "unissued", "claims": claims},
	})
}

// signed reports whether one of our issuers, also one that rests, has signed cert.
func (r *Registrar) signed(cert *x509.Certificate) bool {
	for _, issuer := range r.issuers.Certificates() {
		if cert.CheckSignatureFrom(issuer) == nil {
			return true
		}
	}
	return false
}
