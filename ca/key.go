package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// A publicKey is a key that we are willing to certify.
type publicKey struct {
	public crypto.PublicKey
	der    []byte // SubjectPublicKeyInfo
	kind   string // as Request.KeyType says
	bits   int    // of an RSA modulus; 0 otherwise
}

// newPublicKey refuses, with a *RequestError, keys that are weak, of a kind that
// we do not certify, or not spelt as DER spells them. The last matters because a
// key belongs to one identity for ever, and is known by the hash of its spelling.
func newPublicKey(public crypto.PublicKey, der []byte) (publicKey, error) {
	key := publicKey{public: public, der: der}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return publicKey{}, requestErrorf("elliptic curve %s is not accepted; P-256 and P-384 are", k.Params().Name)
		}
		key.kind = k.Params().Name
	case ed25519.PublicKey:
		key.kind = "Ed25519"
	case *rsa.PublicKey:
		if err := checkRSA(k); err != nil {
			return publicKey{}, err
		}
		key.bits = k.N.BitLen()
		key.kind = fmt.Sprintf("RSA-%d", key.bits)
	default:
		return publicKey{}, requestErrorf("public key algorithm is not accepted; ECDSA, Ed25519 and RSA are")
	}
	canonical, err := x509.MarshalPKIXPublicKey(public)
	if err != nil || !bytes.Equal(canonical, der) {
		return publicKey{}, requestErrorf("public key is not encoded as DER demands")
	}
	return key, nil
}

// id returns the subject key identifier: the leftmost 160 bits of the SHA-256
// hash of the key's BIT STRING (RFC 7093, Section 2, method 1).
func (k publicKey) id() []byte { return keyID(k.der) }
