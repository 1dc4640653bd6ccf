package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// attestationLifetime is how long the certificate of an attestation key is good, if
// its role's certificates are not good for longer. It says who a TPM is, which does
// not change, and each use of it is looked up.
const attestationLifetime = 90 * 24 * time.Hour

// A TPM is what the maker of a TPM calls it (TCG EK Credential Profile, Section
// 3.2.9): "id:54455354", "SLB9670", "id:00010001".
type TPM struct {
	Manufacturer, Model, Version string
}

// maxTPMName is how long each name of a TPM may be, in bytes.
const maxTPMName = 64

// AttestationRequest returns the request for the certificate of an attestation key:
// a key in a TPM that signs only what the TPM says itself, so that it cannot sign a
// CSR. The caller has seen, by TPM2_ActivateCredential, that it is in that TPM, and
// such a key. The certificate names the identity and the TPM, and is good for
// attestations and nothing else.
//
// The key must be RSA, as [ParseRequest] takes it, P-256 or P-384, and the TPM's names
// 1 to 64 bytes of text each. The error is a [*RequestError].
func AttestationRequest(public crypto.PublicKey, t TPM) (Request, error) {
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
	default:
		return Request{}, requestErrorf("an attestation key is RSA or ECDSA")
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Request{}, requestErrorf("the attestation key is not a key")
	}
	key, err := newPublicKey(public, spki)
	if err != nil {
		return Request{}, err
	}
	for _, name := range []string{t.Manufacturer, t.Model, t.Version} {
		if name == "" || len(name) > maxTPMName || !utf8.ValidString(name) {
			return Request{}, requestErrorf("the TPM's manufacturer, model and version must be 1 to %d bytes of text", maxTPMName)
		}
	}
	return Request{key: key, spki: sha256.Sum256(spki), tpm: &t}, nil
}

// ForAttestation reports whether the certificate is one of an attestation key: it
// authenticates nobody.
func ForAttestation(cert *x509.Certificate) bool {
	return slices.ContainsFunc(cert.UnknownExtKeyUsage, oidAIKCertificate.Equal)
}

var (
	oidAIKCertificate      = asn1.ObjectIdentifier{2, 23, 133, 8, 3} // tcg-kp-AIKCertificate
	oidTPMManufacturer     = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidTPMModel            = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidTPMVersion          = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
	oidPermanentIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3} // RFC 4043, Section 2
)

// attests says why an identity gets no certificate for an attestation key, or "", and by
// which key of the role. It
// takes the one proof that it is itself, however many an enrolment takes; and a key of
// whatever kind TPMs have, since no TLS is spoken with it.
func (r *rules) attests(id Identity) (setting, reason string) {
	if id.Method != MethodTPM {
		return "", "an attestation key is proved by its TPM, and by nothing else"
	}
	id.Proofs = r.Proofs
	return r.keeps(id)
}

// attestation judges the request for an attestation key's certificate.
func (r *rules) attestation(id Identity, req Request, version int64, now time.Time) (Grant, error) {
	if setting, reason := r.attests(id); reason != "" {
		return Grant{}, &DeniedError{ID: id.ID, Rule: r.Name, Reason: reason, Setting: setting}
	}
	return Grant{
		id: id.ID, revision: id.Revision, policyVersion: version, role: r.Name, key: req.key, spki: req.spki,
		lifetime: max(r.Lifetime, attestationLifetime), tpm: req.tpm, decided: now,
	}, nil
}

// bound says why the key of a request is not one for this identity, or "": what
// follows on a key in a TPM is a key in that TPM. Who enrols anew begins again, with
// whatever the role takes.
func (id Identity) bound(req Request) string {
	follows := id.Method == MethodRenew || id.Method == MethodACME
	if id.TPM && follows && (id.Attested == nil || *id.Attested != req.spki) {
		return "its keys are in a TPM: the request must come with the TPM's attestation of its key"
	}
	return ""
}

// addTPMName adds the GeneralNames of an attestation key's certificate: what the TPM
// is (a directoryName), and whose it is (RFC 4043).
func addTPMName(b *cryptobyte.Builder, t TPM, id ID) {
	constructed := func(tag uint8) der.Tag { return der.Tag(tag).ContextSpecific().Constructed() }
	b.AddASN1(constructed(4), func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addText(b, oidTPMManufacturer, t.Manufacturer)
			addText(b, oidTPMModel, t.Model)
			addText(b, oidTPMVersion, t.Version)
		})
	})
	b.AddASN1(constructed(0), func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidPermanentIdentifier)
		b.AddASN1(constructed(0), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { addBytes(b, der.UTF8String, []byte(id.name)) })
		})
	})
}

// addText adds a RelativeDistinguishedName of one attribute, as a UTF8String.
func addText(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value string) {
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			addBytes(b, der.UTF8String, []byte(value))
		})
	})
}
