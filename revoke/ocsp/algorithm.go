package ocsp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// algorithms are those that sign answers, with their AlgorithmIdentifier in DER:
// PKCS #1 v1.5 has NULL parameters (RFC 4055, Section 5), ECDSA (RFC 5758, Section
// 3.2) and Ed25519 (RFC 8410, Section 3) have none.
var algorithms = [...]struct {
	algorithm x509.SignatureAlgorithm
	hash      crypto.Hash
	der       string
}{
	{x509.ECDSAWithSHA256, crypto.SHA256, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"},
	{x509.ECDSAWithSHA384, crypto.SHA384, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"},
	{x509.ECDSAWithSHA512, crypto.SHA512, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"},
	{x509.SHA256WithRSA, crypto.SHA256, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"},
	{x509.SHA384WithRSA, crypto.SHA384, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00"},
	{x509.SHA512WithRSA, crypto.SHA512, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00"},
	{x509.PureEd25519, 0, "\x30\x05\x06\x03\x2b\x65\x70"},
}

// algorithmOf returns the place in algorithms of the one for a key: the hash as long
// as the curve is wide, SHA-256 for RSA.
func algorithmOf(public crypto.PublicKey) (int, error) {
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
	for i := range algorithms {
		if algorithms[i].algorithm == want {
			return i, nil
		}
	}
	return 0, fmt.Errorf("answers are signed with P-256, P-384, RSA or Ed25519, not with a %T of this kind", public)
}

// signatureAlgorithm reads the AlgorithmIdentifier of a signature.
func (r *reader) signatureAlgorithm() x509.SignatureAlgorithm {
	whole, _ := r.element(tagSequence, "signatureAlgorithm")
	for i := range algorithms {
		if algorithms[i].der == string(whole) {
			return algorithms[i].algorithm
		}
	}
	r.fail("signatureAlgorithm is unknown")
	return x509.UnknownSignatureAlgorithm
}
