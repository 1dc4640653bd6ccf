package crl

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
)

// An Entry is one revoked certificate.
type Entry struct {
	Serial    Serial
	RevokedAt time.Time // whole seconds, from 1970 to 2105
	Reason    Reason
}

// A Set is the revoked certificates of one issuer, each once, in the order of their
// serial numbers. It takes 28 bytes an entry. The zero Set is empty.
type Set struct {
	records []record
}

// A record is an Entry in as little memory as it takes: a time.Time alone is 24 bytes.
type record struct {
	serial Serial
	at     uint32 // Unix seconds
	reason Reason
}

func compare(a, b record) int { return bytes.Compare(a.serial[:], b.serial[:]) }

func (r *record) entry() Entry {
	return Entry{Serial: r.serial, RevokedAt: time.Unix(int64(r.at), 0).UTC(), Reason: r.reason}
}

func (e Entry) record() (record, error) {
	at := e.RevokedAt.Unix()
	switch {
	case at < 0 || at > math.MaxUint32:
		return record{}, fmt.Errorf("serial number %s: revoked in %d, which no list here can say", e.Serial, e.RevokedAt.Year())
	case !e.Reason.valid():
		return record{}, fmt.Errorf("serial number %s: RFC 5280 does not know %s", e.Serial, e.Reason)
	}
	return record{serial: e.Serial, at: uint32(at), reason: e.Reason}, nil
}

// Collect makes a Set of what entries yields, and stops at the first error. It takes
// them in any order, and is fastest, and needs no memory beside the Set, where they
// come in that of their serial numbers. Give about how many will come as expect, or 0: a
// wrong guess costs memory and time only. A serial number that comes twice is an error.
func Collect(expect int, entries iter.Seq2[Entry, error]) (Set, error) {
	records := make([]record, 0, expect)
	for e, err := range entries {
		if err != nil {
			return Set{}, err
		}
		r, err := e.record()
		if err != nil {
			return Set{}, err
		}
		records = append(records, r)
	}
	return newSet(records)
}

// newSet sorts the records where they are not, and takes them over.
func newSet(records []record) (Set, error) {
	if !slices.IsSortedFunc(records, compare) {
		slices.SortFunc(records, compare)
	}
	for i := 1; i < len(records); i++ {
		if records[i].serial == records[i-1].serial {
			return Set{}, fmt.Errorf("serial number %s is there twice", records[i].serial)
		}
	}
	return Set{records: records}, nil
}

// Len returns the number of entries.
func (s Set) Len() int { return len(s.records) }

// Lookup returns the entry of a serial number. It compares about log2 of [Set.Len]
// times.
func (s Set) Lookup(serial Serial) (Entry, bool) {
	i, found := slices.BinarySearchFunc(s.records, record{serial: serial}, compare)
	if !found {
		return Entry{}, false
	}
	return s.records[i].entry(), true
}

// All yields the entries in the order of their serial numbers.
func (s Set) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range s.records {
			if !yield(s.records[i].entry()) {
				return
			}
		}
	}
}

// Apply returns what is revoked after a delta: the entries of both, of which the
// delta's count, without those that it removes ([RemoveFromCRL]). It copies.
func (s Set) Apply(delta Set) Set {
	merged := make([]record, 0, len(s.records)+len(delta.records))
	old := s.records
	for _, d := range delta.records {
		i, found := slices.BinarySearchFunc(old, d, compare)
		merged = append(merged, old[:i]...)
		if found {
			i++
		}
		old = old[i:]
		if d.reason != RemoveFromCRL {
			merged = append(merged, d)
		}
	}
	return Set{records: append(merged, old...)}
}
