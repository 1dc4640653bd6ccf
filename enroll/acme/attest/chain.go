package attest

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

var (
	oidAIKCertificate = asn1.ObjectIdentifier{2, 23, 133, 8, 3} // tcg-kp-AIKCertificate
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
)

const (
	nothingExpected = "there is no attestation CA, identifier or key authorization to hold the attestation against"
	notAttestation  = "the certificate is not one for an attestation key"
	notTrusted      = "the attestation key's certificate does not lead to a trusted attestation CA"
	notNamed        = "the attestation key's certificate does not name the identifier"
)

// attestationKey returns the first certificate of a chain, if it is that of an
// attestation key, of the device that is asked for, by a CA that is trusted to
// say so (WebAuthn, Section 8.3.1).
func attestationKey(chain []*x509.Certificate, o Options) (*x509.Certificate, error) {
	if o.Roots == nil && o.Known == nil || o.Identifier == "" || o.KeyAuthorization == "" {
		return nil, refuse(nothingExpected, nil)
	}
	ak := chain[0]
	if o.Known != nil {
		if known, err := o.Known(ak); known || err != nil {
			return ak, err
		}
	}
	if o.Roots == nil {
		return nil, refuse(notTrusted, nil)
	}
	if ak.IsCA || !slices.ContainsFunc(ak.UnknownExtKeyUsage, oidAIKCertificate.Equal) {
		return nil, refuse(notAttestation, nil)
	}
	// The critical subjectAltName of a TPM's certificate holds its maker, model and
	// version as a directoryName, which crypto/x509 does not know. They are of no
	// consequence here; the names that are, names reads.
	ak.UnhandledCriticalExtensions = slices.DeleteFunc(ak.UnhandledCriticalExtensions, oidSubjectAltName.Equal)

	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	chains, err := ak.Verify(x509.VerifyOptions{
		Roots:         o.Roots,
		Intermediates: between,
		CurrentTime:   o.Now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // crypto/x509 does not know ours
	})
	if err != nil {
		return nil, refuse(notTrusted, err)
	}
	if !slices.ContainsFunc(chains, forAttestation) {
		return nil, refuse(notTrusted, nil)
	}
	if !slices.Contains(names(ak), o.Identifier) {
		return nil, refuse(notNamed, nil)
	}
	return ak, nil
}

// forAttestation reports whether every CA of a chain, up to the trusted one, may
// certify attestation keys: one with extended key usages has this among them.
func forAttestation(chain []*x509.Certificate) bool {
	for _, cert := range chain[1:] {
		limited := len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0
		if limited && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) && !slices.ContainsFunc(cert.UnknownExtKeyUsage, oidAIKCertificate.Equal) {
			return false
		}
	}
	return true
}
