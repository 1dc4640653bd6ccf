package audit

import (
	"errors"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A Frontier is the right edge of a tree and nothing else: enough to append to it and to
// know its root, in at most 64 hashes. It is what someone keeps who follows a log without
// the tiles. The zero Frontier is the empty log.
type Frontier struct{ peaks peaks }

// ParseFrontier returns the frontier of a tree of that size that Bytes wrote.
func ParseFrontier(size int64, b []byte) (Frontier, error) {
	if size < 0 || len(b) != bits.OnesCount64(uint64(size))*tlog.HashSize {
		return Frontier{}, errors.New("audit: not the frontier of a tree of that size")
	}
	f := Frontier{peaks{size: size}}
	for h := range slices.Chunk(b, tlog.HashSize) {
		f.peaks.hashes = append(f.peaks.hashes, tlog.Hash(h))
	}
	return f, nil
}

// Bytes returns what ParseFrontier reads.
func (f Frontier) Bytes() []byte {
	b := make([]byte, 0, len(f.peaks.hashes)*tlog.HashSize)
	for _, h := range f.peaks.hashes {
		b = append(b, h[:]...)
	}
	return b
}

// Append adds the hash of the next entry.
func (f *Frontier) Append(h tlog.Hash) { f.peaks.push(0, h, nil) }

// Size returns the number of entries, and Hash the root over them.
func (f Frontier) Size() int64     { return f.peaks.size }
func (f Frontier) Hash() tlog.Hash { return f.peaks.root() }
