package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	TileWidth  = 1 << tileHeight // hashes in a tile
	tileHeight = 8
	tileLevels = 64 / tileHeight // no log has more
)

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

// errIncomplete reports that a part of the tree is missing.
var errIncomplete = errors.New("audit: incomplete log")

// readNodes returns the hashes lo to hi-1 of a tile level, packed: of level 0
// from the rows, above from the tiles of the level below, which are complete.
func readNodes(ctx context.Context, r TileReader, level int, lo, hi int64) ([]byte, error) {
	nodes := make([]byte, 0, (hi-lo)*tlog.HashSize)
	if lo == hi {
		return nodes, nil
	}
	if level == 0 {
		hashes, err := r.Hashes(ctx, lo, hi)
		if err != nil {
			return nil, err
		}
		if int64(len(hashes)) != hi-lo {
			return nil, fmt.Errorf("%w: %d of the entries %d to %d", errIncomplete, len(hashes), lo+1, hi)
		}
		for _, h := range hashes {
			nodes = append(nodes, h[:]...)
		}
		return nodes, nil
	}
	tiles, err := r.Tiles(ctx, level-1, lo-1, int(hi-lo))
	if err != nil {
		return nil, err
	}
	for i := range hi - lo {
		if i >= int64(len(tiles)) || tiles[i].N != lo+i || len(tiles[i].Hashes) != TileWidth*tlog.HashSize {
			return nil, fmt.Errorf("%w: no tile %d of level %d", errIncomplete, lo+i, level-1)
		}
		root := rootOf(tiles[i].Hashes)
		nodes = append(nodes, root[:]...)
	}
	return nodes, nil
}
