package crl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"hash"
)

// An algorithm signs lists. Its AlgorithmIdentifier has NULL parameters for PKCS #1
// v1.5 (RFC 4055, Section 5), and none for ECDSA (RFC 5758, Section 3.2) and Ed25519
// (RFC 8410, Section 3).
type algorithm struct {
	id      x509.SignatureAlgorithm
	der     string
	hash    crypto.Hash
	newHash func() hash.Hash // nil: the message itself is signed
}

var (
	ecdsaSHA256 = algorithm{x509.ECDSAWithSHA256, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", crypto.SHA256, sha256.New}
	ecdsaSHA384 = algorithm{x509.ECDSAWithSHA384, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", crypto.SHA384, sha512.New384}
	ecdsaSHA512 = algorithm{x509.ECDSAWithSHA512, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", crypto.SHA512, sha512.New}
	rsaSHA256   = algorithm{x509.SHA256WithRSA, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", crypto.SHA256, sha256.New}
	rsaSHA384   = algorithm{x509.SHA384WithRSA, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00", crypto.SHA384, sha512.New384}
	rsaSHA512   = algorithm{x509.SHA512WithRSA, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00", crypto.SHA512, sha512.New}
	pureEd25519 = algorithm{x509.PureEd25519, "\x30\x05\x06\x03\x2b\x65\x70", 0, nil}
)

// algorithmOf returns the algorithm that a key signs with: a hash as long as the curve
// is wide, SHA-256 for RSA.
func algorithmOf(public crypto.PublicKey) (algorithm, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return ecdsaSHA256, nil
		case 384:
			return ecdsaSHA384, nil
		}
	case *rsa.PublicKey:
		return rsaSHA256, nil
	case ed25519.PublicKey:
		return pureEd25519, nil
	}
	return algorithm{}, fmt.Errorf("lists are signed with P-256, P-384, RSA or Ed25519, not with a %T of this kind", public)
}

// verify reports whether signature is that of public over digest, or over the message
// itself where the algorithm takes no hash.
func (a algorithm) verify(public crypto.PublicKey, digest, signature []byte) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, a.hash, digest, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, signature)
	}
	return false
}

// signatureAlgorithm reads the AlgorithmIdentifier of a signature.
func (r *reader) signatureAlgorithm() x509.SignatureAlgorithm {
	whole, _ := r.element(tagSequence, "signatureAlgorithm")
	for _, a := range [...]algorithm{ecdsaSHA256, ecdsaSHA384, ecdsaSHA512, rsaSHA256, rsaSHA384, rsaSHA512, pureEd25519} {
		if a.der == string(whole) {
			return a.id
		}
	}
	r.fail("signatureAlgorithm is unknown")
	return x509.UnknownSignatureAlgorithm
}
