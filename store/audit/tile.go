package audit

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// TileWidth is the number of hashes in a tile.
const TileWidth = 256

// A Tile is 256 neighbouring hashes of the tree. Tile n of level 0 holds the
// hashes of the entries 256n+1 to 256n+256; tile n of level l+1 holds the roots
// of the tiles 256n to 256n+255 of level l. Only complete tiles exist; the
// right edge is made anew from the rows.
type Tile struct {
	Level  int    // from 0
	N      int64  // from 0
	Hashes []byte // TileWidth times tlog.HashSize bytes
}

// A TileReader reads the tree as the store keeps it.
type TileReader interface {
	// Tiles returns up to limit of the tiles of a level whose N is greater than
	// after, ascending in N. Fewer than limit means that there are no more.
	Tiles(ctx context.Context, level int, after int64, limit int) ([]Tile, error)

	// Hashes returns the hash column of the rows after+1 to to, in order: fewer
	// than to-after if rows are missing. It is asked for at most TileWidth.
	Hashes(ctx context.Context, after, to int64) ([]tlog.Hash, error)
}

// ProveConsistency returns the proof that the first old entries are a prefix of
// the first new ones (RFC 6962, Section 2.1.2), for
// [checkpoint.CheckConsistency]. It wants 1 <= old <= new <= size of the log,
// reads at most a few hundred tiles, and checks nothing: a proof out of an
// edited store does not convince anyone.
func ProveConsistency(ctx context.Context, r TileReader, old, new int64) ([]tlog.Hash, error) {
	panic("not yet")
}

// ProveInclusion returns the proof that entry seq is one of the first size
// (RFC 6962, Section 2.1.1), for [tlog.CheckRecord] with index seq-1.
func ProveInclusion(ctx context.Context, r TileReader, size, seq int64) ([]tlog.Hash, error) {
	panic("not yet")
}
