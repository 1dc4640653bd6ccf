package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrNoKey reports that an entry cannot be opened because its data key is not
// in the keyring: destroyed, or never one of the log's.
var ErrNoKey = errors.New("audit: data key destroyed or unknown")

// A Keyring opens entries. It is immutable and safe for concurrent use; a nil
// Keyring opens none.
type Keyring struct {
	keys map[KeyID]DataKey
}

// NewKeyring returns a Keyring of the data keys given.
func NewKeyring(keys ...DataKey) *Keyring {
	r := &Keyring{make(map[KeyID]DataKey, len(keys))}
	for _, d := range keys {
		r.keys[d.ID] = d
	}
	return r
}

// Open opens the entry in leaf. With [ErrNoKey] comes an Entry that has only
// what is in clear. Any other error means that leaf is not what was sealed.
func (r *Keyring) Open(leaf []byte) (Entry, error) { return r.open(leaf, decoded) }

// OpenEncoded is Open for who passes the details on: they are in Encoded, as they were
// sealed, and Detail is nil.
func (r *Keyring) OpenEncoded(leaf []byte) (Entry, error) { return r.open(leaf, encoded) }

func (r *Keyring) open(leaf []byte, as form) (Entry, error) {
	o := opener{ring: r}
	return o.open(leaf, as)
}

// entryKey returns the key of l; it may return ErrNoKey, and does not check
// that it is the key that sealed l.
func (r *Keyring) entryKey(l leaf) (entryKey, error) {
	o := opener{ring: r}
	return o.entryKey(l)
}

// An opener is a Keyring for many entries, one after the other: it remembers what it
// needs for the data key of the last one. Not safe for concurrent use.
type opener struct {
	ring    *Keyring
	id      KeyID
	mac     hash.Hash // of the data key id; nil: of none yet
	scratch []byte
}

// entryKey is Keyring.entryKey.
func (o *opener) entryKey(l leaf) (entryKey, error) {
	if o.mac == nil || o.id != l.keyID {
		var d DataKey
		ok := false
		if o.ring != nil {
			d, ok = o.ring.keys[l.keyID]
		}
		if !ok {
			return entryKey{}, fmt.Errorf("%w: entry %d, key %s", ErrNoKey, l.seq, l.keyID)
		}
		o.id, o.mac = l.keyID, d.entryMAC()
		if o.scratch == nil {
			o.scratch = make([]byte, 0, 64)
		}
	}
	return entryKeyOf(o.mac, o.scratch, l.seq), nil
}

// open is Keyring.Open.
func (o *opener) open(leaf []byte, as form) (Entry, error) {
	l, err := decodeLeaf(leaf)
	if err != nil {
		return Entry{}, err
	}
	key, err := o.entryKey(l)
	if err != nil {
		return l.entry(tlog.RecordHash(leaf)), err
	}
	return l.open(key, tlog.RecordHash(leaf), as)
}

// entry is what l says in clear; hash is the hash of its bytes.
func (l leaf) entry(hash tlog.Hash) Entry {
	return Entry{Seq: l.seq, At: l.at, Event: Event{Action: l.action}, KeyID: l.keyID, Hash: hash}
}

// A form puts the details of an entry, which are JSON, into it.
type form func(*Entry, json.RawMessage) error

func encoded(e *Entry, detail json.RawMessage) error {
	e.Encoded = detail
	return nil
}

func decoded(e *Entry, detail json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(detail))
	d.UseNumber() // as written, however long
	return d.Decode(&e.Detail)
}

// open is entry with what is sealed.
func (l leaf) open(key entryKey, hash tlog.Hash, as form) (Entry, error) {
	text, err := key.open(nil, l)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: %w", l.seq, err)
	}
	e := l.entry(hash)
	b, err := readBody(text)
	if err == nil && b.Detail != nil {
		err = as(&e, b.Detail)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: sealed body: %w", l.seq, err)
	}
	e.Actor, e.Subject, e.Address, e.Outcome, e.RequestID = b.Actor, b.Subject, b.Address, b.Outcome, b.RequestID
	return e, nil
}
