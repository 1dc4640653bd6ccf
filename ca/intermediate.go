package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
)

// NextIntermediate makes the intermediate that follows last: what [Create] gave the
// first one, with the constraints and the URLs that last has. It does not outlive the
// root. Its key is the one that is given, as [CreateConfig] takes one; nil: a new one,
// in memory only.
func (r *Root) NextIntermediate(last *x509.Certificate, key crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	if err := last.CheckSignatureFrom(r.certificate); err != nil {
		return nil, nil, errors.New("ca: the last intermediate is not of this root")
	}
	trustDomain, err := permittedTrustDomain(last)
	if err != nil {
		return nil, nil, err
	}
	key, err = issuingKey(key)
	if err != nil {
		return nil, nil, err
	}
	next, err := intermediateTemplate(trustDomain, key, r.now())
	if err != nil {
		return nil, nil, err
	}
	next.PermittedDNSDomainsCritical = last.PermittedDNSDomainsCritical // of the whole extension
	next.PermittedDNSDomains, next.ExcludedDNSDomains = last.PermittedDNSDomains, last.ExcludedDNSDomains
	next.PermittedIPRanges, next.ExcludedIPRanges = last.PermittedIPRanges, last.ExcludedIPRanges
	next.PermittedEmailAddresses, next.ExcludedEmailAddresses = last.PermittedEmailAddresses, last.ExcludedEmailAddresses
	next.ExcludedURIDomains = last.ExcludedURIDomains
	next.OCSPServer, next.IssuingCertificateURL, next.CRLDistributionPoints = last.OCSPServer, last.IssuingCertificateURL, last.CRLDistributionPoints
	next.SignatureAlgorithm = r.signer.algorithm.id
	if next.NotAfter.After(r.certificate.NotAfter) {
		next.NotAfter = r.certificate.NotAfter
	}
	cert, err := createCertificate(next, r.certificate, key.Public(), r.signer.key)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}
