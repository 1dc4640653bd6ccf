package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ResponderLifetime is how long a certificate of [Authority.IssueResponder] is
// good: short, since nobody can revoke it (RFC 9919, Section 3.2.2).
const ResponderLifetime = 7 * 24 * time.Hour

// SignCRL makes the issuing key's signature over the digest of a tbsCertList. Only
// package revoke may call it, which a test holds it to: it cannot see what the
// digest is of. It may be called concurrently.
func (a *Authority) SignCRL(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	now := a.now()
	if now.Before(a.certificate.NotBefore) || now.After(a.certificate.NotAfter) {
		return nil, fmt.Errorf("ca: signing a CRL: %w", ErrExpired)
	}
	return a.signer.signCRL(digest, opts)
}

// IssueResponder certifies the key of an OCSP responder that answers for our
// leaves, for [ResponderLifetime] or as long as the issuer, and passes the
// certificate to commit, which must record it. Like [Authority.Issue] it returns
// nothing that commit refused. Only package revoke may call it.
func (a *Authority) IssueResponder(public crypto.PublicKey, commit func(*x509.Certificate) error) (*x509.Certificate, error) {
	cert, err := newResponder(a.certificate, a.signer, public, a.now(), ResponderLifetime)
	if err != nil {
		return nil, err
	}
	if err := commit(cert); err != nil {
		return nil, err
	}
	return cert, nil
}

// signCRL signs a digest, or with Ed25519 the message itself.
func (s *signer) signCRL(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != s.algorithm.hash {
		return nil, errors.New("ca: a CRL must be signed with the hash that fits the issuing key")
	}
	return s.key.Sign(rand.Reader, digest, opts)
}

// newResponder signs the certificate of a delegate (RFC 6960, Section 4.2.2.2): it
// may sign OCSP answers and nothing else, and says that nobody need ask whether it
// was revoked (id-pkix-ocsp-nocheck). So it has no AIA and no CRL distribution
// point either.
func newResponder(issuer *x509.Certificate, s *signer, public crypto.PublicKey, now time.Time, lifetime time.Duration) (*x509.Certificate, error) {
	if now.Before(issuer.NotBefore) || now.After(issuer.NotAfter) {
		return nil, fmt.Errorf("ca: certifying an OCSP responder: %w", ErrExpired)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("ca: certifying an OCSP responder: %w", err)
	}
	id := keyID(spki)
	t := &x509.Certificate{
		SerialNumber: newSerial(now),
		Subject: pkix.Name{
			Organization: issuer.Subject.Organization,
			CommonName:   "OCSP responder " + hex.EncodeToString(id[:4]),
		},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		BasicConstraintsValid: true,
		SubjectKeyId:          id,
		ExtraExtensions:       []pkix.Extension{{Id: oidNoCheck, Value: asn1.NullBytes}},
		SignatureAlgorithm:    s.algorithm.id,
	}
	if t.NotBefore.Before(issuer.NotBefore) {
		t.NotBefore = issuer.NotBefore
	}
	if t.NotAfter.After(issuer.NotAfter) {
		t.NotAfter = issuer.NotAfter
	}
	return createCertificate(t, issuer, public, s.key)
}

// oidNoCheck is id-pkix-ocsp-nocheck (RFC 6960, Section 4.2.2.2.1).
var oidNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
