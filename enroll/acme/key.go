package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

// Bounds of an account's RSA key, in bits. The library has the upper one, too, in a
// variable that anybody may change. Who has a larger key in a certificate revokes it
// by the account.
const (
	minRSA = 2048
	maxRSA = 4096
)

// An accountKey is a public key that is strong enough to sign requests.
type accountKey struct {
	public crypto.PublicKey // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
	kind   string           // "P-256", "P-384", "P-521", "RSA", "Ed25519"
	jwk    jose.JSONWebKey  // with nothing but the key
}

// parseKey reads a JWK (RFC 7517) and checks that it is a public key, and its
// strength: verifying with an RSA key of a stranger's size costs what the stranger
// likes. The error is a [*problem].
func parseKey(text []byte) (*accountKey, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return nil, newProblem(http.StatusBadRequest, badPublicKey, "jwk is not a well-formed public key")
	}
	return newAccountKey(jwk.Key)
}

// newAccountKey takes public keys only: a private one, or a secret, is none of the
// types that it knows.
func newAccountKey(public crypto.PublicKey) (*accountKey, error) {
	k := &accountKey{public: public, jwk: jose.JSONWebKey{Key: public}}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			k.kind = public.Curve.Params().Name
			return k, nil
		}
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, newProblem(http.StatusBadRequest, badPublicKey, fmt.Sprintf("an RSA key has %d to %d bits, not %d", minRSA, maxRSA, bits))
		}
		if public.N.Bit(0) == 0 || public.E < 65537 || public.E&1 == 0 {
			return nil, newProblem(http.StatusBadRequest, badPublicKey, "an RSA key has an odd modulus, and an odd exponent of at least 65537")
		}
		k.kind = "RSA"
		return k, nil
	case ed25519.PublicKey:
		k.kind = "Ed25519"
		return k, nil
	}
	return nil, newProblem(http.StatusBadRequest, badPublicKey, "keys are P-256, P-384, P-521, Ed25519 or RSA")
}

// storedKey returns the key of an account on record.
func storedKey(a store.Account) (*accountKey, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(a.JWK); err != nil {
		return nil, fmt.Errorf("key of account %s: %w", a.ID, err)
	}
	return newAccountKey(jwk.Key)
}

// fits reports, as nil or a [*problem], whether the algorithm is one for such a
// key (RFC 7518, Sections 3.3 to 3.5; RFC 8037, Section 3.1).
func (k *accountKey) fits(algorithm jose.SignatureAlgorithm) error {
	var ok bool
	switch algorithm {
	case jose.ES256:
		ok = k.kind == "P-256"
	case jose.ES384:
		ok = k.kind == "P-384"
	case jose.ES512:
		ok = k.kind == "P-521"
	case jose.EdDSA:
		ok = k.kind == "Ed25519"
	case jose.RS256, jose.PS256:
		ok = k.kind == "RSA"
	}
	if !ok {
		return newProblem(http.StatusBadRequest, badSignatureAlgorithm, "a key of type "+k.kind+" does not sign by the algorithm that alg names")
	}
	return nil
}

// thumbprint is RFC 7638's, by SHA-256: what an account is found by.
func (k *accountKey) thumbprint() ([32]byte, error) {
	sum, err := k.jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(sum), nil
}

// record returns the key as the store keeps it.
func (k *accountKey) record() (enroll.AccountKey, error) {
	thumbprint, err := k.thumbprint()
	if err != nil {
		return enroll.AccountKey{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return enroll.AccountKey{}, err
	}
	text, err := k.jwk.MarshalJSON()
	if err != nil {
		return enroll.AccountKey{}, err
	}
	return enroll.AccountKey{Thumbprint: thumbprint, SPKI: sha256.Sum256(spki), JWK: text}, nil
}

// equal reports whether both are the same key.
func (k *accountKey) equal(other crypto.PublicKey) bool {
	return k.public.(interface{ Equal(crypto.PublicKey) bool }).Equal(other)
}
