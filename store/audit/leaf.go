package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	MaxLeaf   = 64 << 10 // bytes of a leaf
	MaxTerms  = 4        // blind indexes of an entry
	maxAction = 64
)

// maxMilli bounds times to the years that RFC 3339 can write.
var maxMilli = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()

// A leaf is an entry as it stands in the tree, decoded. Its layout, integers
// big-endian:
//
//	version      1     1, or 2
//	seq          8     from 1
//	time         8     Unix milliseconds
//	action       1+n   n from 1 to 64; a-z 0-9 . _ -
//	key id       8     of the data key
//	commitment   32    to the key of the entry
//	terms        1+16n n up to 4, ascending
//	nonce        12
//	sealed       n+16  AES-256-GCM of the body; all before it is its associated data,
//	                   in version 2 all before the nonce
//
// There is one spelling of every leaf. Both versions say the same and are read for ever.
// They differ in who draws the nonce: in version 2 it is Go's cryptographic module, as FIPS
// 140-3 demands. So entries are sealed by that where the mode is on, and by version 1 where
// it is off, which programs of before version 2 read too: replicas are upgraded one by one,
// and guards ship their journals to a CA that may be older.
type leaf struct {
	version    byte
	seq        int64
	at         time.Time
	action     string
	keyID      KeyID
	commitment [32]byte
	terms      []Term
	header     []byte // the associated data
	sealed     []byte // with the nonce before it
}

const (
	leafV1 = 1
	leafV2 = 2
)

var errLeaf = errors.New("audit: malformed leaf")

// appendHeader appends all but nonce and sealed body to b.
func (l *leaf) appendHeader(b []byte) []byte {
	b = append(b, l.version)
	b = binary.BigEndian.AppendUint64(b, uint64(l.seq))
	b = binary.BigEndian.AppendUint64(b, uint64(l.at.UnixMilli()))
	b = append(b, byte(len(l.action)))
	b = append(b, l.action...)
	b = append(b, l.keyID[:]...)
	b = append(b, l.commitment[:]...)
	b = append(b, byte(len(l.terms)))
	for i := range l.terms {
		b = append(b, l.terms[i][:]...)
	}
	return b
}

// headerLen is the length of what appendHeader appends.
func (l *leaf) headerLen() int {
	return 1 + 8 + 8 + 1 + len(l.action) + len(l.keyID) + len(l.commitment) + 1 + len(l.terms)*len(Term{})
}

// check says whether a leaf can hold these values.
func (l *leaf) check() error {
	if l.seq < 1 {
		return fmt.Errorf("%w: number %d", errLeaf, l.seq)
	}
	if ms := l.at.UnixMilli(); ms < 0 || ms > maxMilli {
		return fmt.Errorf("%w: time out of range", errLeaf)
	}
	if !validAction(l.action) {
		return fmt.Errorf("%w: action %.80q", errLeaf, l.action)
	}
	if len(l.terms) > MaxTerms {
		return fmt.Errorf("%w: %d terms", errLeaf, len(l.terms))
	}
	for i := 1; i < len(l.terms); i++ {
		if bytes.Compare(l.terms[i-1][:], l.terms[i][:]) >= 0 {
			return fmt.Errorf("%w: terms do not ascend", errLeaf)
		}
	}
	return nil
}

func validAction(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= maxAction
}

// decodeLeaf parses b, which the leaf then shares. It accepts nothing that
// encodes otherwise.
func decodeLeaf(b []byte) (l leaf, err error) {
	err = l.decode(b)
	return l, err
}

// decode is decodeLeaf into a leaf that may have held another: the list of its terms, and
// an action that is the same, are used again. After an error it holds nothing.
func (l *leaf) decode(b []byte) error {
	action, terms := l.action, l.terms[:0]
	*l = leaf{}
	if len(b) > MaxLeaf {
		return fmt.Errorf("%w: %d bytes", errLeaf, len(b))
	}
	r := reader{rest: b}
	version := r.next(1)
	seq := r.next(8)
	at := r.next(8)
	name := r.next(r.count(255))
	var of leaf
	copy(of.keyID[:], r.next(len(of.keyID)))
	copy(of.commitment[:], r.next(len(of.commitment)))
	if n := r.count(MaxTerms); n > 0 {
		of.terms = slices.Grow(terms, n)[:n]
		for i := range of.terms {
			copy(of.terms[i][:], r.next(len(Term{})))
		}
	}
	if r.short || len(r.rest) < nonceLen+tagLen {
		return fmt.Errorf("%w: too short", errLeaf)
	}
	of.version = version[0]
	of.sealed = r.rest
	switch of.version {
	case leafV1:
		of.header = b[:len(b)-len(r.rest)+nonceLen]
	case leafV2:
		of.header = b[:len(b)-len(r.rest)]
	default:
		return fmt.Errorf("%w: version %d, of a newer program perhaps", errLeaf, of.version)
	}
	of.seq = int64(binary.BigEndian.Uint64(seq))
	of.at = time.UnixMilli(int64(binary.BigEndian.Uint64(at))).UTC()
	if of.action = action; string(name) != action {
		of.action = string(name)
	}
	if err := of.check(); err != nil {
		return err
	}
	*l = of
	return nil
}

// A reader cuts a leaf into pieces; short says that one was missing.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) next(n int) []byte {
	if r.short || len(r.rest) < n {
		r.short = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// count reads a one-byte count; more than limit is short.
func (r *reader) count(limit int) int {
	b := r.next(1)
	if r.short || int(b[0]) > limit {
		r.short = true
		return 0
	}
	return int(b[0])
}
