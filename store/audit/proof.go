package audit

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ProveConsistency returns the proof that the first old entries are a prefix of
// the first new ones (RFC 6962, Section 2.1.2), for
// [checkpoint.CheckConsistency]. It wants 1 <= old <= new <= size of the log,
// reads at most a few hundred tiles, and checks nothing: a proof out of an
// edited store does not convince anyone.
func ProveConsistency(ctx context.Context, r TileReader, old, new int64) ([]tlog.Hash, error) {
	proof, err := tlog.ProveTree(new, old, &nodeReader{ctx: ctx, tiles: r, size: new})
	if err != nil {
		return nil, fmt.Errorf("proving that %d entries begin with %d: %w", new, old, err)
	}
	return proof, nil
}

// ProveInclusion returns the proof that entry seq is one of the first size
// (RFC 6962, Section 2.1.1), for [tlog.CheckRecord] with index seq-1.
func ProveInclusion(ctx context.Context, r TileReader, size, seq int64) ([]tlog.Hash, error) {
	proof, err := tlog.ProveRecord(size, seq-1, &nodeReader{ctx: ctx, tiles: r, size: size})
	if err != nil {
		return nil, fmt.Errorf("proving that entry %d is one of %d: %w", seq, size, err)
	}
	return proof, nil
}

// Root returns the hash of the tree of the first size entries (RFC 6962, Section 2.1),
// which is what a checkpoint of that size says. It checks nothing.
func Root(ctx context.Context, r TileReader, size int64) (tlog.Hash, error) {
	root, err := tlog.TreeHash(size, &nodeReader{ctx: ctx, tiles: r, size: size})
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("the tree of %d entries: %w", size, err)
	}
	return root, nil
}

// A nodeReader finds the nodes of a tree of the given size in its tiles and, at
// the right edge, in what the tiles are made of. It serves one proof: it keeps
// the last tile of each level, and its ctx.
type nodeReader struct {
	ctx   context.Context
	tiles TileReader
	size  int64
	last  [tileLevels]Tile
}

// ReadHashes implements [tlog.HashReader].
func (r *nodeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]node, len(indexes))
	for i, index := range indexes {
		list[i].level, list[i].n = tlog.SplitStoredHashIndex(index)
	}
	return r.nodes(list)
}

func (r *nodeReader) node(x node) (tlog.Hash, error) {
	level := x.level / tileHeight
	height := x.level % tileHeight // above the tile's own hashes
	lo, hi := x.n<<height, (x.n+1)<<height
	n := lo / TileWidth
	if (n+1)*TileWidth > r.size>>(tileHeight*level) { // the right edge
		hashes, err := readNodes(r.ctx, r.tiles, level, lo, hi)
		if err != nil {
			return tlog.Hash{}, err
		}
		return rootOf(hashes), nil
	}
	hashes, err := r.tile(level, n)
	if err != nil {
		return tlog.Hash{}, err
	}
	lo, hi = lo-n*TileWidth, hi-n*TileWidth
	return rootOf(hashes[lo*tlog.HashSize : hi*tlog.HashSize]), nil
}

func (r *nodeReader) tile(level int, n int64) ([]byte, error) {
	if t := r.last[level]; t.Hashes != nil && t.N == n {
		return t.Hashes, nil
	}
	t, ok, err := readTile(r.ctx, r.tiles, level, n)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: no tile %d of level %d", errIncomplete, n, level)
	}
	r.last[level] = t
	return t.Hashes, nil
}

// nodes returns the hashes of several nodes.
func (r *nodeReader) nodes(list []node) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(list))
	for i, x := range list {
		var err error
		if hashes[i], err = r.node(x); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// readTile reads one tile; ok is false if it is missing or not whole.
func readTile(ctx context.Context, r TileReader, level int, n int64) (t Tile, ok bool, err error) {
	tiles, err := r.Tiles(ctx, level, n-1, 1)
	if err != nil || len(tiles) == 0 || tiles[0].N != n || len(tiles[0].Hashes) != TileWidth*tlog.HashSize {
		return Tile{}, false, err
	}
	return tiles[0], true, nil
}
