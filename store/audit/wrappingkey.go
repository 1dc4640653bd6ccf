package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"io"
)

// A WrappingKey wraps data keys. It lies beside them, itself sealed by the log's key, and so
// can be replaced in one transaction with all that it wraps: no file has to change with it.
// It wraps fewer than 2^32 (NIST SP 800-38D, Section 8.3), by far.
//
// Data keys of logs that never replaced theirs are wrapped by the log's own: see [Keys.Wrap].
type WrappingKey struct {
	ID     KeyID
	secret [32]byte
}

// NewWrappingKey returns a new random wrapping key.
func NewWrappingKey() WrappingKey {
	var w WrappingKey
	rand.Read(w.ID[:]) // never fails
	rand.Read(w.secret[:])
	return w
}

// Format keeps the secret out of whatever prints a WrappingKey.
func (w WrappingKey) Format(f fmt.State, _ rune) {
	io.WriteString(f, "audit.WrappingKey("+w.ID.String()+")")
}

// SealWrapping encrypts w for the database.
func (k *Keys) SealWrapping(w WrappingKey) []byte {
	return k.SealAside(wrappingName(w.ID), w.secret[:])
}

// OpenWrapping returns the wrapping key that SealWrapping encrypted, or an error if sealed
// was changed, is of another id, or is of another log.
func (k *Keys) OpenWrapping(id KeyID, sealed []byte) (WrappingKey, error) {
	secret, err := k.OpenAside(wrappingName(id), sealed)
	if err != nil || len(secret) != 32 {
		return WrappingKey{}, fmt.Errorf("wrapping key %s does not open: changed, or of another log", id)
	}
	return WrappingKey{ID: id, secret: [32]byte(secret)}, nil
}

func wrappingName(id KeyID) string { return "betonica wrapping key " + id.String() }

// wrappedLen is the length of what WrappingKey.Wrap returns; what Keys.Wrap returns is
// shorter by the id.
const wrappedLen = len(KeyID{}) + nonceLen + 32 + tagLen

// Wrap encrypts a data key for the database. The result begins with the id of w, and opens
// only under w and as the same data key.
func (w WrappingKey) Wrap(d DataKey) []byte {
	return w.aead().Seal(w.ID[:], nil, d.secret[:], d.ID[:])
}

// Unwrap returns the data key that Wrap encrypted, or an error.
func (w WrappingKey) Unwrap(id KeyID, wrapped []byte) (DataKey, error) {
	d := DataKey{ID: id}
	if by, ok := WrappedBy(wrapped); !ok || by != w.ID {
		return DataKey{}, fmt.Errorf("unwrapping data key %s: not by wrapping key %s", id, w.ID)
	}
	if _, err := w.aead().Open(d.secret[:0], nil, wrapped[len(w.ID):], id[:]); err != nil {
		return DataKey{}, fmt.Errorf("unwrapping data key %s: changed, or of another log", id)
	}
	return d, nil
}

// WrappedBy returns the id of the wrapping key that a data key was wrapped by, and false if
// that was none, but the log's key itself.
func WrappedBy(wrapped []byte) (KeyID, bool) {
	if len(wrapped) != wrappedLen {
		return KeyID{}, false
	}
	return KeyID(wrapped[:len(KeyID{})]), true
}

// aead draws its own nonces, and puts them in front.
func (w WrappingKey) aead() cipher.AEAD {
	block, err := aes.NewCipher(w.secret[:])
	if err != nil { // the key has the right length
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
