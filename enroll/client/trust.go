package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNotCA reports that a server answered, and that it is not our CA. Nothing
// was sent to it. Trying again does not help until the server, the pinned root
// or this machine's clock is another.
var ErrNotCA = errors.New("the server is not our CA")

// caRole is the role that the CA's own servers hold, and that policy cannot give
// to anyone else.
const caRole = "ca"

// A Trust says which servers are our CA. It is a value: copy it freely.
type Trust struct {
	// Roots are the pinned root certificates; at least one.
	Roots []*x509.Certificate
	// TrustDomain is the CA's own. It is empty before the first contact only: then
	// the server, verified by the roots, says what it is.
	TrustDomain string
	// Now is this machine's clock; nil: time.Now.
	Now func() time.Time
	// Earliest, if it is not zero, says that Now may be wrong, but that it is not
	// earlier than this. A certificate that is not good by Now then counts if it was,
	// or will be, at the first moment from Earliest on at which it can be: what ended
	// before does not. All else is checked as ever.
	Earliest time.Time
}

// TLSConfig returns the client side of a connection to the CA: TLS 1.3, own as
// the client certificate (nil: none), and a server that is not our CA refused
// with an error wrapping [ErrNotCA], on resumed sessions too.
func (t Trust) TLSConfig(own *tls.Certificate) *tls.Config {
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The standard check is about DNS names. The one below is about who the
		// server is, and runs on every connection.
		InsecureSkipVerify: true,
		VerifyConnection:   t.verifyServer,
	}
	if own != nil {
		// Sent whatever issuers the server hints at: it looks the certificate up.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	return conf
}

func (t Trust) verifyServer(cs tls.ConnectionState) error {
	leaf := cs.PeerCertificates[0] // a TLS 1.3 server always sends one
	if err := t.verifyChain(cs.PeerCertificates, x509.ExtKeyUsageServerAuth); err != nil {
		return fmt.Errorf("%w: %w", ErrNotCA, err)
	}
	id, err := parseID(leaf)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotCA, err)
	}
	if id.role != caRole {
		return fmt.Errorf("%w: its certificate is that of %s", ErrNotCA, id)
	}
	if t.TrustDomain != "" && id.trustDomain != t.TrustDomain {
		return fmt.Errorf("%w: it belongs to the trust domain %s, and we to %s", ErrNotCA, id.trustDomain, t.TrustDomain)
	}
	return nil
}

// verifyChain checks chain, leaf first, up to a pinned root.
func (t Trust) verifyChain(chain []*x509.Certificate, usage x509.ExtKeyUsage) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range t.Roots {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	verify := func(at time.Time) error {
		_, err := chain[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		return err
	}
	now := t.now()
	err := verify(now)
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired && !t.Earliest.IsZero() {
		if now = chain[0].NotBefore; now.Before(t.Earliest) {
			now = t.Earliest
		}
		err = verify(now)
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		// On a machine without a battery-backed clock this is the usual cause.
		return fmt.Errorf("the certificate %q is good from %s to %s, and this machine's clock says %s: is the clock right?",
			e.Cert.Subject.CommonName, stamp(e.Cert.NotBefore), stamp(e.Cert.NotAfter), stamp(now))
	}
	return err
}

func (t Trust) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// spiffeID is what a certificate says its holder is called.
type spiffeID struct{ trustDomain, role, name string }

func (id spiffeID) String() string {
	return "spiffe://" + id.trustDomain + "/" + id.role + "/" + id.name
}

// parseID reads the one URI SAN that a certificate of ours has (X509-SVID,
// Section 2: exactly one).
func parseID(cert *x509.Certificate) (spiffeID, error) {
	if len(cert.URIs) != 1 {
		return spiffeID{}, fmt.Errorf("its certificate has %d URI names, and not one SPIFFE ID", len(cert.URIs))
	}
	u := cert.URIs[0]
	role, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	id := spiffeID{u.Host, role, name}
	// What does not read back as it was written has something else in it: a port,
	// a query, an escape, an empty or a third segment.
	if !ok || role == "" || name == "" || strings.Contains(name, "/") || u.Host == "" || u.String() != id.String() || u.Port() != "" {
		return spiffeID{}, fmt.Errorf("its certificate's URI name %q is not a SPIFFE ID of the form spiffe://<trust domain>/<role>/<name>", u.Redacted())
	}
	return id, nil
}
