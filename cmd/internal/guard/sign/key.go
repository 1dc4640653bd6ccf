package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // of ecdsa-p256-sha256
	_ "crypto/sha512" // of the others
	"encoding/asn1"
	"math/big"
)

// An algorithm is one of RFC 9421, Section 3.3, for one kind of key.
type algorithm struct {
	name string
	hash crypto.Hash // 0: it takes the message itself
	size int         // of a coordinate, in bytes; 0: not ECDSA
}

// algorithmOf returns the only algorithm that a key is used with.
func algorithmOf(public crypto.PublicKey) (algorithm, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return algorithm{"ecdsa-p256-sha256", crypto.SHA256, 32}, nil
		case elliptic.P384():
			return algorithm{"ecdsa-p384-sha384", crypto.SHA384, 48}, nil
		}
	case ed25519.PublicKey:
		return algorithm{name: "ed25519"}, nil
	case *rsa.PublicKey:
		return algorithm{name: "rsa-pss-sha512", hash: crypto.SHA512}, nil
	}
	return algorithm{}, ErrInvalid
}

func (a algorithm) digest(base string) []byte {
	if a.hash == 0 {
		return []byte(base)
	}
	h := a.hash.New()
	h.Write([]byte(base))
	return h.Sum(nil)
}

var pss = &rsa.PSSOptions{SaltLength: 64, Hash: crypto.SHA512}

// sign signs, and returns the signature in the form that RFC 9421 has.
func (a algorithm) sign(key crypto.Signer, base string) ([]byte, error) {
	opts := crypto.SignerOpts(a.hash)
	if a.hash == crypto.SHA512 && a.size == 0 {
		opts = pss
	}
	signature, err := key.Sign(rand.Reader, a.digest(base), opts)
	if err != nil || a.size == 0 {
		return signature, err
	}
	var point struct{ R, S *big.Int } // ECDSA: r and s side by side (Section 3.3.4)
	if rest, err := asn1.Unmarshal(signature, &point); err != nil || len(rest) != 0 {
		return nil, ErrInvalid
	}
	b := make([]byte, 2*a.size)
	point.R.FillBytes(b[:a.size])
	point.S.FillBytes(b[a.size:])
	return b, nil
}

// verify reports whether a signature is by the key.
func (a algorithm) verify(public crypto.PublicKey, base string, signature []byte) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if len(signature) != 2*a.size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:a.size]), new(big.Int).SetBytes(signature[a.size:])
		return ecdsa.Verify(k, a.digest(base), r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(k, []byte(base), signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(k, crypto.SHA512, a.digest(base), signature, pss) == nil
	}
	return false
}
