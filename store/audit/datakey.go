package audit

import (
	"crypto/aes"
	"crypto/cipher"
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

// aead opens the entry of k, and seals it in version 2: it draws its own nonce, 96 bits
// (NIST SP 800-38D, Section 8.2.2), and puts it in front.
func (k entryKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal appends nonce and sealed text to b, which from start on is the header of a leaf.
func (k entryKey) seal(version byte, b []byte, start int, text []byte) ([]byte, error) {
	if version == leafV2 {
		aead, err := k.aead()
		if err != nil {
			return nil, err
		}
		return aead.Seal(b, nil, text, b[start:]), nil
	}
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	b = append(b, make([]byte, nonceLen)...)
	nonce := b[len(b)-nonceLen:]
	rand.Read(nonce)
	return aead.Seal(b, nonce, text, b[start:]), nil
}

// open returns what l seals, appended to dst.
func (k entryKey) open(dst []byte, l leaf) ([]byte, error) {
	if k.commitment() != l.commitment {
		return nil, errors.New("audit: not the key of this leaf")
	}
	aead, err := k.aead()
	if err != nil {
		return nil, fmt.Errorf("audit: opening leaf: %w", err)
	}
	text, err := aead.Open(dst, nil, l.sealed, l.header)
	if err != nil {
		return nil, errors.New("audit: leaf is not what was sealed")
	}
	return text, nil
}
