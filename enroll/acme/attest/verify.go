package attest

import (
	"crypto/sha256"
	"crypto/x509"
	"time"
)

// Options says what an attestation must show.
type Options struct {
	// Roots are the CAs that are trusted to say which device an attestation key
	// belongs to. Nil or empty: nobody is, and nothing passes; the system's roots
	// never count.
	Roots *x509.CertPool

	// Known, if not nil, is asked first. It reports whether it knows the attestation
	// key's certificate, every byte of it, and for whom it is; whether it is still good
	// is then for Known alone to say, with an error if it is not, and no root is looked
	// at. What it does not know is left to Roots. Its errors come back as they are.
	Known func(ak *x509.Certificate) (bool, error)

	// KeyAuthorization is the challenge's (RFC 8555, Section 8.1). It binds the
	// statement to the challenge and to the account's key.
	KeyAuthorization string

	// Identifier is the value of the permanent-identifier that the order asks for.
	Identifier string

	// Now is when the certificates must be valid.
	Now time.Time
}

// Verify reads an attestation object, the CBOR that a client sends base64url-coded
// as attObj, and returns the SHA-256 of the SubjectPublicKeyInfo of the key that
// it attests: the only key that a certificate for this order may have. Only the
// "tpm" format of WebAuthn (Section 8.3) is supported. What is not acceptable
// comes back as an [*Error]; there is no other kind but what Known returns.
//
// An object may have 32 KiB, 8 certificates and RSA keys of 4096 bits: one call
// costs milliseconds at most. Verify keeps nothing, and may be used concurrently.
func Verify(attObj []byte, o Options) (spki [sha256.Size]byte, err error) {
	st, err := decode(attObj)
	if err != nil {
		return spki, err
	}
	return st.verify(o)
}

// A Statement is what an attestation object holds, for those who send it in another
// form: [Verify] says what its fields are, by their names in WebAuthn.
type Statement struct {
	Algorithm int64    // alg
	X5C       [][]byte // x5c
	Signature []byte   // sig
	CertInfo  []byte   // certInfo
	PubArea   []byte   // pubArea
}

// VerifyStatement is [Verify] of what is not in CBOR. The caller bounds its size.
func VerifyStatement(s Statement, o Options) (spki [sha256.Size]byte, err error) {
	st := &statement{Algorithm: s.Algorithm, X5C: s.X5C, Signature: s.Signature, CertInfo: s.CertInfo, PubArea: s.PubArea}
	if err := st.parseChain(); err != nil {
		return spki, err
	}
	return st.verify(o)
}

func (st *statement) verify(o Options) (spki [sha256.Size]byte, err error) {
	ak, err := attestationKey(st.Chain, o)
	if err != nil {
		return spki, err
	}
	// What the attestation key signed is looked at only once it is known that it
	// did: from here on, a TPM speaks.
	if err := checkSignature(ak.PublicKey, st); err != nil {
		return spki, err
	}
	return certifiedKey(st, o.KeyAuthorization)
}
