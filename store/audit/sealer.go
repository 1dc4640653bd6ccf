package audit

import (
	"bytes"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A Sealer makes records of events. It belongs to one goroutine, the writer.
type Sealer struct {
	version byte // of the leaves
	keyID   KeyID
	entries hash.Hash       // of the data key: gives the entry keys
	index   hash.Hash       // of the index key: gives the terms
	parties map[string]Term // of those who came lately, as most come again
	scratch []byte
	text    []byte // of the body
}

// NewSealer returns a Sealer that seals under the data key current.
func NewSealer(keys *Keys, current DataKey) *Sealer {
	version := byte(leafV1)
	if fips140.Enabled() {
		version = leafV2
	}
	return &Sealer{
		version: version,
		keyID:   current.ID,
		entries: current.entryMAC(),
		index:   hmac.New(sha256.New, keys.index[:]),
		parties: make(map[string]Term),
		scratch: make([]byte, 0, 512),
		text:    make([]byte, 0, 1024),
	}
}

// KeyID names the data key that s seals under.
func (s *Sealer) KeyID() KeyID { return s.keyID }

// Seal makes the record of e as entry seq (1 or more) at the given time. It
// changes nothing and may be repeated: a number whose transaction failed is
// sealed again. The record shares no memory with the Sealer.
//
// It returns an error if the action is malformed, the detail does not marshal,
// or the leaf would be longer than MaxLeaf; the number is then still free.
func (s *Sealer) Seal(seq int64, at time.Time, e Event) (Record, error) {
	l, b, err := s.seal(nil, seq, at, e)
	if err != nil {
		return Record{}, err
	}
	return Record{Seq: seq, At: l.at, Action: e.Action, Leaf: b, Hash: tlog.RecordHash(b), Terms: l.terms}, nil
}

// AppendFrame appends to b the frame of the record that Seal makes, and returns its hash
// beside. After an error b is as it was.
func (s *Sealer) AppendFrame(b []byte, seq int64, at time.Time, e Event) ([]byte, tlog.Hash, error) {
	start := len(b)
	var head [FrameHead]byte
	_, framed, err := s.seal(append(b, head[:]...), seq, at, e)
	if err != nil {
		return b, tlog.Hash{}, err
	}
	leaf := framed[start+FrameHead:]
	hash := tlog.RecordHash(leaf)
	binary.BigEndian.PutUint32(framed[start:], uint32(len(leaf)))
	copy(framed[start+4:], hash[:])
	return framed, hash, nil
}

// seal appends the leaf of e to b.
func (s *Sealer) seal(b []byte, seq int64, at time.Time, e Event) (leaf, []byte, error) {
	key := entryKeyOf(s.entries, s.scratch, seq)
	l := leaf{
		version: s.version, seq: seq, at: time.UnixMilli(at.UnixMilli()).UTC(), action: e.Action,
		keyID: s.keyID, commitment: key.commitment(), terms: s.terms(e),
	}
	if err := l.check(); err != nil {
		return l, nil, fmt.Errorf("sealing entry %d: %w", seq, err)
	}
	text, err := appendBody(s.text[:0], e)
	if err != nil {
		return l, nil, fmt.Errorf("sealing entry %d: %w", seq, err)
	}
	if len(text) <= MaxLeaf {
		s.text = text // grown, perhaps
	}
	size := l.headerLen() + nonceLen + len(text) + tagLen
	if size > MaxLeaf {
		return l, nil, fmt.Errorf("sealing entry %d: leaf of %d bytes, at most %d", seq, size, MaxLeaf)
	}
	start := len(b)
	b, err = key.seal(s.version, l.appendHeader(slices.Grow(b, size)), start, text) // with a random nonce, since a number may be sealed again
	if err != nil {
		return l, nil, fmt.Errorf("sealing entry %d: %w", seq, err)
	}
	return l, b, nil
}

// terms returns the blind indexes of e: of its actor and its subject, one if
// they are the same.
func (s *Sealer) terms(e Event) []Term {
	terms := make([]Term, 0, 2)
	if e.Actor != "" {
		terms = append(terms, s.party(e.Actor))
	}
	if e.Subject != "" && e.Subject != e.Actor {
		terms = append(terms, s.party(e.Subject))
	}
	if len(terms) == 2 && bytes.Compare(terms[0][:], terms[1][:]) > 0 {
		terms[0], terms[1] = terms[1], terms[0]
	}
	return terms
}

// maxParties bounds the terms that are kept.
const maxParties = 256

// party returns the blind index of an actor or a subject.
func (s *Sealer) party(name string) Term {
	t, ok := s.parties[name]
	if !ok {
		if len(s.parties) == maxParties {
			clear(s.parties)
		}
		t = term(s.index, s.scratch, FieldParty, name)
		s.parties[name] = t
	}
	return t
}
