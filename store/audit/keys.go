package audit

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"golang.org/x/mod/sumdb/note"
)

// Keys are the log's keys, all derived from one master secret by HKDF-SHA256
// (RFC 5869): the key that wraps data keys, the key of the blind indexes, the
// Ed25519 key that signs checkpoints, the key that others encrypt theirs to, and the key
// of what lies beside the log. They do not rotate. Safe for concurrent use.
type Keys struct {
	wrap, index, seed, reader, aside [32]byte
}

// NewMaster returns a new random master secret. Who holds it can read the log
// and sign another one; it is kept under keys/, never in the database.
func NewMaster() [32]byte {
	var m [32]byte
	rand.Read(m[:]) // never fails
	return m
}

// NewKeys derives the log's keys from the master secret.
func NewKeys(master [32]byte) *Keys {
	return &Keys{
		wrap:  derive(master, "betonica audit: wrapping of data keys"),
		index: derive(master, "betonica audit: blind indexes"),
		seed:  derive(master, "betonica audit: checkpoint signer"),

		reader: derive(master, "betonica audit: reader of journals"),
		aside:  derive(master, "betonica audit: what lies beside the log"),
	}
}

func derive(master [32]byte, purpose string) [32]byte {
	key, err := hkdf.Key(sha256.New, master[:], nil, purpose, 32)
	if err != nil { // 32 bytes are within what HKDF can give
		panic(err)
	}
	return [32]byte(key)
}

// Signer returns the key that signs the log's checkpoints, under the name
// origin. An origin is not empty and has neither spaces nor plus signs.
func (k *Keys) Signer(origin string) (note.Signer, error) {
	return checkpoint.NewSigner(origin, k.seed[:])
}

// VerifierKey returns the public half of Signer, as [checkpoint.NewVerifier]
// reads it.
func (k *Keys) VerifierKey(origin string) (string, error) {
	public := ed25519.NewKeyFromSeed(k.seed[:]).Public().(ed25519.PublicKey)
	return checkpoint.VerifierKey(origin, public)
}

// Format keeps the secrets out of whatever prints a Keys.
func (k Keys) Format(w fmt.State, _ rune) { io.WriteString(w, "audit.Keys(secret)") }

// A Term is a blind index: a keyed hash of a value, by which the database finds
// the entries of that value without knowing it. It hides the value, not that
// two entries share it.
type Term [16]byte

// FieldParty is the field of actors and subjects alike: one term finds what an
// identity did and what was done to it. Whoever asks for one of the two opens
// the entries found and compares.
const FieldParty = "party"

// Term returns the blind index of value in field, which is at most 255 bytes.
func (k *Keys) Term(field, value string) Term {
	return term(hmac.New(sha256.New, k.index[:]), make([]byte, 0, 64), field, value)
}

// term computes a Term with mac, which it resets; buf is scratch.
func term(mac hash.Hash, buf []byte, field, value string) Term {
	buf = append(buf[:0], byte(len(field)))
	buf = append(buf, field...)
	buf = append(buf, value...)
	mac.Reset()
	mac.Write(buf)
	return Term(mac.Sum(buf[:0])[:len(Term{})])
}
