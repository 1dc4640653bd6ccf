package audit

import (
	"golang.org/x/mod/sumdb/note"
)

// Keys are the log's keys, all derived from one master secret by HKDF-SHA256:
// the key that wraps data keys, the key of the blind indexes, and the Ed25519
// key that signs checkpoints. They do not rotate. Safe for concurrent use.
type Keys struct {
	wrap, index, seed [32]byte
}

// NewMaster returns a new random master secret. Who holds it can read the log
// and sign another one; it is kept under keys/, never in the database.
func NewMaster() [32]byte { panic("not yet") }

// NewKeys derives the log's keys from the master secret.
func NewKeys(master [32]byte) *Keys { panic("not yet") }

// Signer returns the key that signs the log's checkpoints, under the name
// origin. An origin is not empty and has neither spaces nor plus signs.
func (k *Keys) Signer(origin string) (note.Signer, error) { panic("not yet") }

// VerifierKey returns the public half of Signer, as [checkpoint.NewVerifier]
// reads it.
func (k *Keys) VerifierKey(origin string) (string, error) { panic("not yet") }

// A Term is a blind index: a keyed hash of a value, by which the database finds
// the entries of that value without knowing it.
type Term [16]byte

// FieldParty is the field of actors and subjects alike: one term finds what an
// identity did and what was done to it. Whoever asks for one of the two opens
// the entries found and compares.
const FieldParty = "party"

// Term returns the blind index of value in field.
func (k *Keys) Term(field, value string) Term { panic("not yet") }
