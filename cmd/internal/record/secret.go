package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// A Digest is the HMAC-SHA256 of a payload; zero if none was computed.
type Digest [sha256.Size]byte

func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// A Direction is which way a payload went.
type Direction string

const (
	ToTarget   Direction = "request"
	FromTarget Direction = "response"
)

// A Secret is the key of one record's digests, and of no other's. Whatever prints it
// prints that it is secret: see [Secret.Reveal].
type Secret struct {
	key [sha256.Size]byte
}

// Digest returns what digests a payload of the record that s is the key of. Write the
// payload to it as it passes; Digest(h.Sum(nil)) is what the record wants.
func (s Secret) Digest(d Direction) hash.Hash {
	k := &keyed{Hash: sha256.New(), key: mac(&s.key, string(d), "")}
	k.Reset()
	return k
}

// A Digester makes digests as [Secret.Digest] does, one after the other in the same memory.
// The zero Digester is ready to begin. It must not be copied while it has begun.
type Digester struct {
	keyed
	begun bool
}

// Begin begins the digest of another payload.
func (g *Digester) Begin(s Secret, d Direction) {
	if g.Hash == nil {
		g.Hash = sha256.New()
	}
	g.key, g.begun = mac(&s.key, string(d), ""), true
	g.Reset()
}

// Begun reports whether a payload was begun, and not dropped.
func (g *Digester) Begun() bool { return g.begun }

// Drop forgets the payload, and the key.
func (g *Digester) Drop() { g.begun, g.key = false, [sha256.Size]byte{} }

// Digest returns the digest of what was written since Begin.
func (g *Digester) Digest() Digest { return g.sum() }

// Empty returns the digest of a payload of no bytes, as Digest would give it.
func (s Secret) Empty(d Direction) Digest {
	key := mac(&s.key, string(d), "")
	return mac(&key, "", "")
}

// IsZero says whether there is no key.
func (s Secret) IsZero() bool { return s == Secret{} }

// Reveal returns the key in hex, for the sealed body of an entry and for an auditor
// who holds the payload; empty if there is none.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return hex.EncodeToString(s.key[:])
}

const secretText = "record.Secret"

// Format keeps the key out of whatever prints it.
func (s Secret) Format(w fmt.State, _ rune) { io.WriteString(w, secretText) }

// MarshalText keeps the key out of JSON and of logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(secretText), nil }

// keyed is the HMAC-SHA256 of what is written to it, as package hmac's, which takes four
// times as many allocations.
type keyed struct {
	hash.Hash // of the inner text
	key       [sha256.Size]byte
	room      [sha256.BlockSize + sha256.Size]byte
}

func (k *keyed) Reset() {
	k.Hash.Reset()
	k.Hash.Write(pad(k.room[:0], &k.key, 0x36))
}

func (k *keyed) Sum(b []byte) []byte {
	sum := k.sum()
	return append(b, sum[:]...)
}

func (k *keyed) sum() [sha256.Size]byte {
	return sha256.Sum256(k.Hash.Sum(pad(k.room[:0], &k.key, 0x5c)))
}

// mac is the HMAC-SHA256 of two short texts, one behind the other (RFC 2104, Section 2):
// what package hmac gives, which allocates for each key what these, of one text each, have
// on the stack.
func mac(key *[sha256.Size]byte, text, more string) [sha256.Size]byte {
	var room [sha256.BlockSize + 128]byte
	inner := append(append(pad(room[:0], key, 0x36), text...), more...)
	sum := sha256.Sum256(inner)
	return sha256.Sum256(append(pad(room[:0], key, 0x5c), sum[:]...))
}

// pad appends a block: the key, filled up with zeros, each byte with one of x.
func pad(b []byte, key *[sha256.Size]byte, x byte) []byte {
	var block [sha256.BlockSize]byte
	for i := range block {
		block[i] = x
	}
	for i, c := range key {
		block[i] = c ^ x
	}
	return append(b, block[:]...)
}
