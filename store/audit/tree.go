package audit

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A Tree is the right edge of the log's Merkle tree in memory: enough to append
// to it, to know its root, and to cut tiles. The zero Tree is the empty log. It
// takes up to 8 KiB for each factor of 256 in its size. A Tree belongs to one
// goroutine; hand others a Clone.
type Tree struct {
	peaks peaks
	edge  [][]byte // by level: the tile that is not complete yet; written once, so that clones share it
}

// LoadTree returns the tree of the first size entries, read from the tiles that
// are complete and from the rows behind them: at most 255 of either on each
// level. What it reads it does not verify.
func LoadTree(ctx context.Context, r TileReader, size int64) (*Tree, error) {
	t := &Tree{peaks: peaks{size: size}}
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		hi := size >> (tileHeight * level)
		hashes, err := readNodes(ctx, r, level, hi&^(TileWidth-1), hi)
		if err != nil {
			return nil, fmt.Errorf("loading tree of %d entries: %w", size, err)
		}
		t.edge = append(t.edge, hashes)
	}
	for _, hashes := range slices.Backward(t.edge) {
		for _, n := range cover(0, int64(len(hashes)/tlog.HashSize)) {
			lo, hi := n.n<<n.level*tlog.HashSize, (n.n+1)<<n.level*tlog.HashSize
			t.peaks.hashes = append(t.peaks.hashes, rootOf(hashes[lo:hi]))
		}
	}
	return t, nil
}

// Append adds the hash of the next entry. It returns the tiles that this
// completes, which are to be stored in the same transaction: mostly none, one
// after each 256th entry, and one of the next level after each 65,536th. They
// are not to be changed.
func (t *Tree) Append(h tlog.Hash) []Tile {
	var complete []Tile
	size := t.peaks.size + 1
	t.peaks.push(0, h, func(level int, node tlog.Hash) {
		if level%tileHeight != 0 {
			return
		}
		level /= tileHeight
		if level == len(t.edge) {
			t.edge = append(t.edge, nil)
		}
		if t.edge[level] == nil {
			t.edge[level] = make([]byte, 0, TileWidth*tlog.HashSize)
		}
		t.edge[level] = append(t.edge[level], node[:]...)
		if len(t.edge[level]) == TileWidth*tlog.HashSize {
			n := size>>(tileHeight*(level+1)) - 1
			complete = append(complete, Tile{level, n, t.edge[level]})
			t.edge[level] = nil
		}
	})
	return complete
}

// Size returns the number of entries.
func (t *Tree) Size() int64 { return t.peaks.size }

// Hash returns the root (RFC 6962, Section 2.1).
func (t *Tree) Hash() tlog.Hash { return t.peaks.root() }

// Clone returns a copy that goes its own way: what to go back to if the
// transaction fails, or to hand to another goroutine. It is cheap: nothing is
// copied until one of the two appends.
func (t *Tree) Clone() *Tree {
	c := &Tree{peaks{t.peaks.size, slices.Clone(t.peaks.hashes)}, slices.Clone(t.edge)}
	for i := range c.edge {
		c.edge[i] = slices.Clip(c.edge[i]) // to append is to copy
	}
	return c
}
