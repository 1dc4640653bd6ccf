package checkpoint

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NewSigner returns the log's signing key, made from an Ed25519 seed of 32
// bytes. Anyone who holds the seed can sign another history.
func NewSigner(origin string, seed []byte) (note.Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signer of %q: seed of %d bytes, want %d", origin, len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	vkey, err := VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	v, err := NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return &signer{v, key}, nil
}

// VerifierKey returns the text by which people and files name the log's public
// key: "<origin>+<hash>+<base64>", as C2SP signed-note has it.
func VerifierKey(origin string, key ed25519.PublicKey) (string, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, key)
	if err != nil {
		return "", fmt.Errorf("verifier key of %q: %w", origin, err)
	}
	if _, err := note.NewVerifier(vkey); err != nil { // the name is checked only here
		return "", fmt.Errorf("verifier key of %q: %w", origin, err)
	}
	return vkey, nil
}

// NewVerifier parses what VerifierKey wrote.
func NewVerifier(vkey string) (note.Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("verifier key %q: %w", vkey, err)
	}
	return v, nil
}

// signer implements [note.Signer]; the verifier gives name and key hash.
type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// algEd25519 begins the key in a verifier key's text (C2SP signed-note).
const algEd25519 = 1

// PublicKey returns the public key that a verifier key names.
func PublicKey(vkey string) (ed25519.PublicKey, error) {
	if _, err := NewVerifier(vkey); err != nil {
		return nil, err
	}
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != algEd25519 {
		return nil, fmt.Errorf("verifier key %q: not an Ed25519 key", vkey)
	}
	return ed25519.PublicKey(key[1:]), nil
}
