package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// A Root is the trust anchor with its key at hand, as in a ceremony. It says
// which intermediates are still good, and nothing else: no daemon holds one.
type Root struct {
	certificate *x509.Certificate
	signer      *signer
	now         func() time.Time
}

// NewRoot returns the root of this certificate and key. It refuses another key,
// and a certificate that is not that of a root valid now. The clock is time.Now
// if now is nil.
func NewRoot(certificate *x509.Certificate, key crypto.Signer, now func() time.Time) (*Root, error) {
	if now == nil {
		now = time.Now
	}
	if err := certificate.CheckSignatureFrom(certificate); err != nil {
		return nil, fmt.Errorf("ca: %q is not a root: %w", certificate.Subject, err)
	}
	if t := now(); t.Before(certificate.NotBefore) || t.After(certificate.NotAfter) {
		return nil, fmt.Errorf("ca: %w: the root is from %s to %s", ErrExpired,
			certificate.NotBefore.UTC().Format(time.RFC3339), certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	signer, err := newSigner(key, certificate.PublicKey)
	if err != nil {
		return nil, err
	}
	return &Root{certificate: certificate, signer: signer, now: now}, nil
}

// Certificate returns the root's certificate.
func (r *Root) Certificate() *x509.Certificate { return r.certificate }

// SignCRL signs the digest of a tbsCertList, as [Authority.SignCRL] does.
func (r *Root) SignCRL(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.signer.signCRL(digest, opts)
}

// IssueResponder certifies the key of an OCSP responder for the certificates that
// the root signed, for a lifetime of at most [MaxRootResponder]: it lasts until
// the root's key is fetched again.
func (r *Root) IssueResponder(public crypto.PublicKey, lifetime time.Duration) (*x509.Certificate, error) {
	if lifetime > MaxRootResponder {
		return nil, errors.New("ca: an OCSP responder of the root lasts 400 days at most")
	}
	return newResponder(r.certificate, r.signer, public, r.now(), lifetime)
}

// MaxRootResponder is the longest life of a responder for the root: a year, and
// time to fetch the key.
const MaxRootResponder = 400 * 24 * time.Hour
