package revoke

import "crypto/x509"

// Certificates returns those of the responders that speak at this moment, one for
// each issuer. The root's is [Anchor.Responder].
func (s *Responder) Certificates() []*x509.Certificate {
	var all []*x509.Certificate
	for _, v := range *s.voices.Load() {
		all = append(all, v.delegate.Load().certificate)
	}
	return all
}

// Responder returns the certificate of who answers OCSP in the root's name.
func (a *Anchor) Responder() *x509.Certificate { return a.newest.Load().speaks }
