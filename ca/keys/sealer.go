package keys

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
)

// sealVersion is the first byte of what Seal returns: AES-256-GCM with a random
// nonce of 96 bits, under HKDF-SHA-256 of the key's PKCS #8 encoding.
const sealVersion = 1

// ErrSealed is what [Sealer.Open] returns for what this key did not seal under
// this name.
var ErrSealed = errors.New("sealed secret: made with another key or name, or damaged")

// A Sealer encrypts small secrets under a key that only the holder of a signing
// key can derive. It is safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	key  []byte
}

// NewSealer derives the sealing key from an in-process private key: an
// *ecdsa.PrivateKey, *rsa.PrivateKey or ed25519.PrivateKey. The same private key
// always makes the same Sealer; a key that cannot be exported makes none.
func NewSealer(signer crypto.Signer) (*Sealer, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("sealing under a %T: the key must be in this process", signer)
	}
	defer clear(secret)
	key, err := hkdf.Key(sha256.New, secret, nil, "betonica keys sealer v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead, key: key}, nil
}

// Key returns a key of 32 bytes for another purpose than sealing, or for more than
// Seal can bear: the same for the same purpose.
func (s *Sealer) Key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.key, nil, "betonica sealer key: "+purpose, 32)
	if err != nil {
		panic(err) // 32 bytes are not too many
	}
	return key
}

// Seal encrypts secret so that only [Sealer.Open] with the same name returns it;
// the result is 29 bytes longer. Random nonces bound one signing key to 2^32
// secrets in its life.
func (s *Sealer) Seal(name string, secret []byte) []byte {
	return s.aead.Seal([]byte{sealVersion}, nil, secret, additional(name))
}

// Open returns the secret that Seal encrypted under the name, or [ErrSealed].
func (s *Sealer) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	secret, err := s.aead.Open(nil, nil, sealed[1:], additional(name))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

// additional is the data that is authenticated with a secret but not in it.
func additional(name string) []byte {
	return append([]byte{sealVersion}, name...)
}
