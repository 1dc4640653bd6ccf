package enroll

import (
	"context"
	"crypto/x509"
	"net/netip"

	"github.com/betonica/betonica/ca"
)

// Admit issues a first certificate for the key of a CSR to whoever shows as many good
// and independent proofs of who it is as its role takes: a join token, a birth
// certificate, a person's approval, the network that it speaks from. They are used up
// when the certificate is recorded, so a failed attempt burns nothing. An identity that
// holds a certificate gets another one only by what lets it replace that.
//
// The same proofs with the same key return the same certificate, for a reply may get
// lost; with a token for ten minutes. A token that was spent with another key is
// [ErrReused]. Whoever has shown nothing good learns [ErrUnauthenticated] and nothing
// else, whatever the reason, or a [*RateLimitError]; whoever has shown one good
// credential learns from a [*ca.DeniedError] what is lacking. Two credentials that name
// different identities are refused and alarmed. Whoever waits for approval learns from a
// [*PendingError] when to come again, or from a [*QueueError] that too many do. The other
// errors are those of Issue.
func (r *Registrar) Admit(ctx context.Context, c Claim) (*x509.Certificate, error) {
	a := &admission{r: r, claim: c, policy: r.Policies.Current()}
	if err := a.authenticate(ctx); err != nil {
		return nil, err
	}
	var err error
	if a.req, err = ca.ParseRequest(c.CSR); err != nil {
		return nil, a.refuse(ctx, err)
	}
	known, err := a.judge(ctx)
	if err != nil {
		return nil, a.refuse(ctx, err)
	}
	return r.issue(ctx, a.applicant(), a.req, known)
}

// Recognize returns nil if the credentials of the claim are good, as far as that can be said
// before there is a request; otherwise what Admit would return, and that is on record. It is
// for those who have something costly to do first. Nothing is used up.
func (r *Registrar) Recognize(ctx context.Context, c Claim) error {
	a := &admission{r: r, claim: c, policy: r.Policies.Current()}
	return a.authenticate(ctx)
}

// Enroll is Admit for the bearer of a join token who speaks from that address and shows
// nothing else.
func (r *Registrar) Enroll(ctx context.Context, token string, from netip.Addr, csr []byte) (*x509.Certificate, error) {
	return r.Admit(ctx, Claim{CSR: csr, From: from, Token: token})
}
