package audit

import "fmt"

// An Opener opens many entries, one after the other: for whoever reads pages of them, or
// millions. It belongs to one goroutine.
type Opener struct {
	opener
	leaf leaf
	text []byte
}

// Opener returns an Opener of the keyring's entries.
func (r *Keyring) Opener() *Opener { return &Opener{opener: opener{ring: r}} }

// Open returns what is in clear of the entry in leaf, its hash aside, and its sealed part,
// the JSON of actor, subject, address, outcome, request_id and detail, which is not
// copied: it is good until the next call. The errors are those of [Keyring.Open].
func (o *Opener) Open(leaf []byte) (Entry, []byte, error) {
	l := &o.leaf
	if err := l.decode(leaf); err != nil {
		return Entry{}, nil, err
	}
	e := Entry{Seq: l.seq, At: l.at, Event: Event{Action: l.action}, KeyID: l.keyID}
	key, err := o.entryKey(*l)
	if err != nil {
		return e, nil, err
	}
	if o.text, err = key.open(o.text[:0], *l); err != nil {
		return Entry{}, nil, fmt.Errorf("entry %d: %w", l.seq, err)
	}
	return e, o.text, nil
}

// Entry is [Keyring.Open], and EncodedEntry is [Keyring.OpenEncoded]: what they return is
// good for ever.
func (o *Opener) Entry(leaf []byte) (Entry, error)        { return o.open(leaf, decoded) }
func (o *Opener) EncodedEntry(leaf []byte) (Entry, error) { return o.open(leaf, encoded) }
