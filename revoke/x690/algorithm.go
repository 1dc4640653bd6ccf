package x690

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// An Algorithm signs answers and lists.
type Algorithm struct {
	ID   x509.SignatureAlgorithm
	Hash crypto.Hash // 0: the message itself is signed
	DER  string      // its AlgorithmIdentifier
}

// algorithms are those that we know. PKCS #1 v1.5 has NULL parameters (RFC 4055,
// Section 5), ECDSA (RFC 5758, Section 3.2) and Ed25519 (RFC 8410, Section 3) have none.
var algorithms = [...]Algorithm{
	{x509.ECDSAWithSHA256, crypto.SHA256, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"},
	{x509.ECDSAWithSHA384, crypto.SHA384, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"},
	{x509.ECDSAWithSHA512, crypto.SHA512, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"},
	{x509.SHA256WithRSA, crypto.SHA256, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"},
	{x509.SHA384WithRSA, crypto.SHA384, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00"},
	{x509.SHA512WithRSA, crypto.SHA512, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00"},
	{x509.PureEd25519, 0, "\x30\x05\x06\x03\x2b\x65\x70"},
}

// AlgorithmOf returns the algorithm that a key signs with: a hash as long as the curve
// is wide, SHA-256 for RSA.
func AlgorithmOf(public crypto.PublicKey) (Algorithm, error) {
	want := x509.UnknownSignatureAlgorithm
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			want = x509.ECDSAWithSHA256
		case 384:
			want = x509.ECDSAWithSHA384
		}
	case *rsa.PublicKey:
		want = x509.SHA256WithRSA
	case ed25519.PublicKey:
		want = x509.PureEd25519
	}
	for _, a := range algorithms {
		if a.ID == want {
			return a, nil
		}
	}
	return Algorithm{}, fmt.Errorf("P-256, P-384, RSA and Ed25519 keys sign, not a %T of this kind", public)
}

// Verify reports whether signature is that of public over digest, or over the message
// itself where the algorithm takes no hash.
func (a Algorithm) Verify(public crypto.PublicKey, digest, signature []byte) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, a.Hash, digest, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, signature)
	}
	return false
}

// SignatureAlgorithm reads the AlgorithmIdentifier of a signature.
func (r *Reader) SignatureAlgorithm() x509.SignatureAlgorithm {
	whole, _ := r.Element(Sequence, "signatureAlgorithm")
	for i := range algorithms {
		if algorithms[i].DER == string(whole) {
			return algorithms[i].ID
		}
	}
	r.Fail("signatureAlgorithm is unknown")
	return x509.UnknownSignatureAlgorithm
}
