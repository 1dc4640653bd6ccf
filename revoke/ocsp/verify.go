package ocsp

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/ca/sha1name"
)

// MaxAhead is how far thisUpdate may lie ahead of a relying party's clock.
const MaxAhead = 5 * time.Minute

// Verify reads an answer to asked, and returns one SingleResponse for each of its
// CertIDs, in their order. That says only that the answer can be relied on; what it
// is stands in each Status, and only [Good] is good.
//
// The answer must be signed by this issuer, or by a certificate that comes with it,
// is valid now, has the extended key usage OCSPSigning and was issued by this very
// issuer (RFC 6960, Section 4.2.2.2). Whether that certificate is itself revoked is
// not looked up: it lives for days (id-pkix-ocsp-nocheck). Then the nonce must be the
// one that was sent, every CertID that was asked about must be there, and now must
// lie between thisUpdate, less [MaxAhead], and nextUpdate, which must be present.
//
// Errors are a [*MalformedError], a [*StatusError], or wrap [ErrResponder],
// [ErrResponderExpired], [ErrSignature], [ErrNonce], [ErrOtherCertificate] or
// [ErrNotCurrent]. Its cost grows with der, so a caller bounds that: a few KiB are
// usual.
func (i *Issuer) Verify(der []byte, asked *Request, now time.Time) ([]SingleResponse, error) {
	b, err := parseBasic(der)
	if err != nil {
		return nil, err
	}
	signer, err := i.signer(b, now)
	if err != nil {
		return nil, err
	}
	if err := signer.CheckSignature(b.algorithm, b.signed, b.signature); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if asked.Nonce != nil && !bytes.Equal(asked.Nonce, b.nonce) {
		return nil, ErrNonce
	}
	answers := make([]SingleResponse, len(asked.IDs))
	for n, id := range asked.IDs {
		if answers[n], err = b.find(id); err != nil {
			return nil, err
		}
		if err := answers[n].current(now); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// signer returns the certificate of who the answer says has signed it, if the issuer
// lets it.
func (i *Issuer) signer(b *basic, now time.Time) (*x509.Certificate, error) {
	if b.names(i.certificate.RawSubject, i.keyID[:]) {
		return i.certificate, nil
	}
	for _, der := range b.certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, &MalformedError{Reason: "a certificate in certs does not parse"}
		}
		bits, err := keyBits(certificate)
		if err != nil {
			return nil, &MalformedError{Reason: "a certificate in certs has no readable key"}
		}
		if keyID := sha1name.Of(bits); b.names(certificate.RawSubject, keyID[:]) {
			return certificate, i.delegated(certificate, now)
		}
	}
	return nil, fmt.Errorf("%w: no certificate of the named responder came with the answer", ErrResponder)
}

// names reports whether the answer says that the owner of this subject, in DER, and
// of this key signed it.
func (b *basic) names(subject, keyID []byte) bool {
	if b.byKey != nil {
		return bytes.Equal(b.byKey, keyID)
	}
	return bytes.Equal(b.byName, subject)
}

// delegated returns nil if the issuer itself made the certificate for signing
// answers, and it is in its time.
func (i *Issuer) delegated(c *x509.Certificate, now time.Time) error {
	switch {
	case !bytes.Equal(c.RawIssuer, i.certificate.RawSubject):
		return fmt.Errorf("%w: its certificate was issued by another CA", ErrResponder)
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("%w: its certificate is not for signing OCSP answers", ErrResponder)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%w: its certificate is not for signing", ErrResponder)
	case len(c.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("%w: its certificate has an unknown critical extension", ErrResponder)
	}
	if err := c.CheckSignatureFrom(i.certificate); err != nil {
		return fmt.Errorf("%w: %w", ErrResponder, err)
	}
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("%w: valid from %s to %s", ErrResponderExpired, stamp(c.NotBefore), stamp(c.NotAfter))
	}
	return nil
}

// find returns the only answer for id.
func (b *basic) find(id CertID) (found SingleResponse, err error) {
	for _, s := range b.responses {
		if !s.ID.equal(id) {
			continue
		}
		if found.Status != 0 {
			return SingleResponse{}, &MalformedError{Reason: "responses has a certificate twice"}
		}
		found = s
	}
	if found.Status == 0 {
		return found, ErrOtherCertificate
	}
	return found, nil
}

func (s *SingleResponse) current(now time.Time) error {
	switch {
	case s.NextUpdate.IsZero():
		return fmt.Errorf("%w: it has no nextUpdate", ErrNotCurrent)
	case s.ThisUpdate.After(now.Add(MaxAhead)):
		return fmt.Errorf("%w: its thisUpdate is %s", ErrNotCurrent, stamp(s.ThisUpdate))
	case now.After(s.NextUpdate):
		return fmt.Errorf("%w: its nextUpdate was %s", ErrNotCurrent, stamp(s.NextUpdate))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
