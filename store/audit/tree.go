package audit

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// A Tree is the right edge of the log's Merkle tree in memory: enough to append
// to it, to know its root, and to cut tiles. The zero Tree is the empty log. It
// takes up to 8 KiB for each factor of 256 in its size. A Tree belongs to one
// goroutine; hand others a Clone.
type Tree struct {
}

// LoadTree returns the tree of the first size entries, read from the tiles that
// are complete and from the rows behind them: at most 255 of either on each
// level. What it reads it does not verify.
func LoadTree(ctx context.Context, r TileReader, size int64) (*Tree, error) { panic("not yet") }

// Append adds the hash of the next entry. It returns the tiles that this
// completes, which are to be stored in the same transaction: mostly none, one
// after each 256th entry, and one of the next level after each 65,536th.
func (t *Tree) Append(h tlog.Hash) []Tile { panic("not yet") }

// Size returns the number of entries.
func (t *Tree) Size() int64 { panic("not yet") }

// Hash returns the root (RFC 6962, Section 2.1).
func (t *Tree) Hash() tlog.Hash { panic("not yet") }

// Clone returns a copy that shares nothing with t: what to go back to if the
// transaction fails.
func (t *Tree) Clone() *Tree { panic("not yet") }
