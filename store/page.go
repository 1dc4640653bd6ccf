package store

import (
	"encoding/base64"
	"encoding/binary"
)

// A Page asks for a part of a list.
//
// Lists page by key, not by offset: whoever follows the cursors sees every
// record that was there from the first page to the last exactly once, whatever
// is inserted meanwhile.
type Page struct {
	After string // cursor that the previous part returned; empty: the beginning
	Limit int    // records at most; 0: 100; never more than 1,000
}

const (
	defaultPage = 100
	maxPage     = 1000
)

func (p Page) limit() int {
	switch {
	case p.Limit <= 0:
		return defaultPage
	case p.Limit > maxPage:
		return maxPage
	}
	return p.Limit
}

// key returns what the cursor holds, n bytes (any number if n is 0), or nil at
// the beginning of the list.
func (p Page) key(n int) ([]byte, error) {
	if p.After == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.After)
	if err != nil || cursor(b) != p.After || n != 0 && len(b) != n {
		return nil, ErrBadCursor
	}
	return b, nil
}

// cursor continues a list after the record with this key.
func cursor(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// numbered returns a key that begins with a number.
func numbered(n int64, rest []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n)), rest...)
}

// splitNumbered is the inverse of numbered.
func splitNumbered(key []byte) (int64, []byte) {
	return int64(binary.BigEndian.Uint64(key)), key[8:]
}

// cut returns the first limit records, and the cursor after them if there are
// more. Lists ask the database for one record more than they return.
func cut[T any](records []T, limit int, key func(T) []byte) ([]T, string) {
	if len(records) <= limit {
		return records, ""
	}
	return records[:limit], cursor(key(records[limit-1]))
}
