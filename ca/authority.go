package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	backdate = 5 * time.Minute // for machines whose clocks are behind
	grantAge = time.Minute     // how long a Grant can be used
)

// ErrExpired is what [New] and [Authority.Issue] wrap when the issuing
// certificate is not valid at this time: nothing can be signed with it.
var ErrExpired = errors.New("issuing certificate is not valid now")

// Config is what an [Authority] is made of. Every field is required but Now.
type Config struct {
	// Certificate is the issuing certificate, an intermediate; Root is its
	// issuer, the trust anchor.
	Certificate, Root *x509.Certificate

	// Signer holds the key of Certificate. It must be usable concurrently. A
	// signer other than an in-process key has each of its signatures verified.
	Signer crypto.Signer

	// URL is where certificates say that this authority answers revocation
	// questions, such as "http://ca.hospital.example:8080". It is http, not https,
	// by RFC 5280, Section 8: checking the server would need what it serves.
	URL string

	// Freshest has certificates say where the newest delta CRL is, too, for those
	// clients that look there (RFC 5280, Section 4.2.1.15). The complete list says it
	// in any case.
	Freshest bool

	// Now tells the time; time.Now if nil.
	Now func() time.Time
}

// An Authority signs for one issuing certificate.
type Authority struct {
	certificate, root *x509.Certificate
	signer            *signer
	trustDomain       string
	leaf              leafTemplate
	url               string
	shards            atomic.Int32 // below 2: none
	now               func() time.Time
}

// New returns the authority of an issuing certificate. It refuses one that is not
// valid now ([ErrExpired]), does not chain to the root, does not sign
// certificates for exactly one trust domain, or has another key than the signer.
func New(c Config) (*Authority, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Certificate == nil || c.Root == nil || c.Signer == nil {
		return nil, errors.New("ca: certificate, root and signer are required")
	}
	if err := checkIssuer(c.Certificate, c.Root, c.Now()); err != nil {
		return nil, err
	}
	trustDomain, err := permittedTrustDomain(c.Certificate)
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(c.Signer, c.Certificate.PublicKey)
	if err != nil {
		return nil, err
	}
	base, err := baseURL(c.URL)
	if err != nil {
		return nil, err
	}
	leaf, err := newLeafTemplate(c.Certificate, signer, base, c.Freshest)
	if err != nil {
		return nil, err
	}
	return &Authority{
		certificate: c.Certificate,
		root:        c.Root,
		signer:      signer,
		trustDomain: trustDomain,
		leaf:        leaf,
		url:         base,
		now:         c.Now,
	}, nil
}

// Issue signs the certificate that g grants and passes it to commit, which must
// record it durably. If commit fails, its error is returned as it is and the
// certificate is not: nobody has seen it.
//
// The certificate is valid from five minutes ago for the role's lifetime, but
// never before or past its issuer. A grant is good for a minute.
func (a *Authority) Issue(g Grant, commit func(*x509.Certificate) error) (*x509.Certificate, error) {
	if g.isZero() {
		return nil, errors.New("ca: issuing without a grant")
	}
	if g.id.trustDomain != a.trustDomain {
		return nil, fmt.Errorf("ca: %s is not in trust domain %s", g.id, a.trustDomain)
	}
	now := a.now()
	if age := now.Sub(g.decided); age > grantAge || age < -grantAge {
		return nil, fmt.Errorf("ca: grant to %s was decided at %s, and it is %s", g.id, g.decided, now)
	}
	validity, err := a.validity(now, g.lifetime)
	if err != nil {
		return nil, err
	}
	serial := newSerial(now)
	cert, err := a.sign(a.leaf.tbs(g, serial, validity, a.shardOf(serial)))
	if err != nil {
		return nil, fmt.Errorf("ca: signing for %s: %w", g.id, err)
	}
	if err := commit(cert); err != nil {
		return nil, err
	}
	return cert, nil
}

// Certificate returns the issuing certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// Root returns the trust anchor.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Chain returns what a machine sends after its own certificate: every certificate
// between it and the root, which is not among them.
func (a *Authority) Chain() []*x509.Certificate { return []*x509.Certificate{a.certificate} }

// IssuerID returns the issuing certificate's subject key identifier in hex: the
// {issuer} in the URLs of CRLs.
func (a *Authority) IssuerID() string { return issuerID(a.certificate) }

// RootID returns the root's subject key identifier in hex.
func (a *Authority) RootID() string { return issuerID(a.root) }

// TrustDomain returns the only trust domain that the authority signs for.
func (a *Authority) TrustDomain() string { return a.trustDomain }

func issuerID(cert *x509.Certificate) string { return hex.EncodeToString(cert.SubjectKeyId) }

// checkIssuer refuses a pair of certificates under which no relying party would
// accept a leaf.
func checkIssuer(cert, root *x509.Certificate, now time.Time) error {
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("ca: %w: it is from %s to %s", ErrExpired,
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
	}
	if !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Errorf("ca: %q is not the certificate of an authority", cert.Subject)
	}
	if len(cert.SubjectKeyId) == 0 {
		return fmt.Errorf("ca: %q has no subject key identifier", cert.Subject)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("ca: issuing certificate does not chain to the root: %w", err)
	}
	return nil
}

// permittedTrustDomain returns the trust domain that the name constraints permit.
func permittedTrustDomain(cert *x509.Certificate) (string, error) {
	if len(cert.PermittedURIDomains) != 1 {
		return "", fmt.Errorf("ca: %q permits URIs of %d domains, not of exactly one trust domain",
			cert.Subject, len(cert.PermittedURIDomains))
	}
	trustDomain := cert.PermittedURIDomains[0]
	if err := checkTrustDomain(trustDomain); err != nil {
		return "", fmt.Errorf("ca: %q: %w", cert.Subject, err)
	}
	return trustDomain, nil
}

// baseURL checks s, and drops a slash at its end.
func baseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(s, "?#") {
		return "", fmt.Errorf("ca: URL %q is not of the form http://HOST[:PORT]", s)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}
