package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A KeyID names a data key; random, so that replicas need not agree.
type KeyID [8]byte

func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// A DataKey seals entries, each under a key of its own that is derived from it. It is kept
// wrapped, in the database; destroying the wrapped key makes its entries unreadable for
// good and leaves the log verifiable.
type DataKey struct {
	ID     KeyID
	secret [32]byte
}

// NewDataKey returns a new random data key.
func NewDataKey() DataKey {
	var d DataKey
	rand.Read(d.ID[:]) // never fails
	rand.Read(d.secret[:])
	return d
}

// Format keeps the secret out of whatever prints a DataKey.
func (d DataKey) Format(w fmt.State, _ rune) { io.WriteString(w, "audit.DataKey("+d.ID.String()+")") }

// Wrap encrypts a data key for the database. The result opens only under the
// same Keys and as the same id.
func (k *Keys) Wrap(d DataKey) []byte {
	return WrappingKey{secret: k.wrap}.aead().Seal(nil, nil, d.secret[:], d.ID[:])
}

// Unwrap returns the data key that Wrap encrypted, or an error if wrapped was
// changed, is of another id, or is of another log.
func (k *Keys) Unwrap(id KeyID, wrapped []byte) (DataKey, error) {
	d := DataKey{ID: id}
	if len(wrapped) != nonceLen+len(d.secret)+tagLen {
		return DataKey{}, fmt.Errorf("unwrapping data key %s: %d bytes", id, len(wrapped))
	}
	if _, err := (WrappingKey{secret: k.wrap}).aead().Open(d.secret[:0], nil, wrapped, id[:]); err != nil {
		return DataKey{}, fmt.Errorf("unwrapping data key %s: changed, or of another log", id)
	}
	return d, nil
}

// An entryKey seals one entry. An export hands it out: it opens that entry and
// says nothing about the data key or any other entry.
type entryKey [32]byte

// entryMAC derives entry keys from a data key; see entryKeyOf.
func (d DataKey) entryMAC() hash.Hash { return hmac.New(sha256.New, d.secret[:]) }

// entryKeyOf returns the key of entry seq under the data key of mac, which it
// resets; buf is scratch.
func entryKeyOf(mac hash.Hash, buf []byte, seq int64) entryKey {
	buf = append(buf[:0], "betonica audit entry "...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(seq))
	mac.Reset()
	mac.Write(buf)
	return entryKey(mac.Sum(buf[:0]))
}

// commitment binds a leaf to its one key. AES-GCM alone does not: who chooses
// the keys can make one ciphertext open to two texts, and could show auditors
// different histories under one hash. The full width of SHA-256 makes that as
// hard as a collision of the tree's own hash.
func (k entryKey) commitment() [32]byte {
	var b [32 + 32]byte
	copy(b[:32], "betonica audit key commitment")
	copy(b[32:], k[:])
	return sha256.Sum256(b[:])
}

const (
	nonceLen = 12
	tagLen   = 16
)

// newGCM returns what seals one entry, or opens it. The nonce is among what a leaf
// authenticates, so that it is there before the rest, and cannot be drawn by
// [cipher.NewGCMWithRandomNonce]. It is what that would draw all the same: 96 bits of
// crypto/rand (NIST SP 800-38D, Section 8.2.2), under a key that is derived for one entry.
// So this is the one place where a nonce from outside of Go's cryptographic module works
// also where FIPS 140 is enforced.
func newGCM(key []byte) (aead cipher.AEAD, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if !fips140.Enforced() {
		return cipher.NewGCM(block)
	}
	fips140.WithoutEnforcement(func() { aead, err = cipher.NewGCM(block) })
	return aead, err
}

// open returns what l seals, appended to dst.
func (k entryKey) open(dst []byte, l leaf) ([]byte, error) {
	if k.commitment() != l.commitment {
		return nil, errors.New("audit: not the key of this leaf")
	}
	aead, err := newGCM(k[:])
	if err != nil {
		return nil, fmt.Errorf("audit: opening leaf: %w", err)
	}
	text, err := aead.Open(dst, l.nonce, l.sealed, l.header)
	if err != nil {
		return nil, errors.New("audit: leaf is not what was sealed")
	}
	return text, nil
}
