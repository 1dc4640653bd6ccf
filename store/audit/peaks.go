package audit

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// peaks are the roots of the perfect subtrees that make up a tree, the largest
// first: one for each bit that is set in its size (RFC 6962, Section 2.1).
type peaks struct {
	size   int64
	hashes []tlog.Hash
}

// push adds the root of a perfect subtree over the next 1<<level entries; the
// size must be a multiple of that. It calls each with every node that this
// completes, the pushed one first, and its level; each may be nil.
func (p *peaks) push(level int, node tlog.Hash, each func(level int, node tlog.Hash)) {
	at := level
	if each == nil {
		each = func(int, tlog.Hash) {}
	}
	each(at, node)
	for n := p.size >> level; n&1 == 1; n >>= 1 {
		last := len(p.hashes) - 1
		node = tlog.NodeHash(p.hashes[last], node)
		p.hashes = p.hashes[:last]
		at++
		each(at, node)
	}
	p.hashes = append(p.hashes, node)
	p.size += 1 << level
}

// root is the hash of the tree.
func (p *peaks) root() tlog.Hash {
	if len(p.hashes) == 0 {
		empty, _ := tlog.TreeHash(0, nil) // reads nothing
		return empty
	}
	last := len(p.hashes) - 1
	h := p.hashes[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(p.hashes[i], h)
	}
	return h
}

// A node is the root of a perfect subtree: of the leaves n<<level to
// (n+1)<<level - 1.
type node struct {
	level int
	n     int64
}

// cover returns the fewest nodes over the leaves lo to hi-1, from the left.
func cover(lo, hi int64) []node {
	var nodes []node
	for lo < hi {
		level := bits.Len64(uint64(hi-lo)) - 1
		if lo > 0 {
			level = min(level, bits.TrailingZeros64(uint64(lo)))
		}
		nodes = append(nodes, node{level, lo >> level})
		lo += 1 << level
	}
	return nodes
}

// rootOf is the root over hashes, whose number is a power of two, packed.
func rootOf(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(rootOf(hashes[:half]), rootOf(hashes[half:]))
}
