package audit

import (
	"bytes"
	"context"
	"math"

	"golang.org/x/mod/sumdb/tlog"
)

// A suspect is an entry that does not fit, or a run of such: either the leaf
// was changed, or what remembers it.
type suspect struct {
	from, to int64
	row      bool // the hash column is not that of the leaf
	tile     bool // nor is the tile's
	level    int  // above 0: a tile of that level does not remember the entries below it
	seal     seal
}

func (v *verifier) suspect(s suspect) {
	if n := len(v.suspects); n > 0 {
		last := &v.suspects[n-1]
		same := *last
		same.from, same.to = s.from, s.to
		if same == s && last.to+1 == s.from {
			last.to = s.to
			return
		}
	}
	if len(v.suspects) == 10*MaxFindings {
		v.dropped.add(s.from)
		return
	}
	v.suspects = append(v.suspects, s)
}

// entry puts the next entry into the tree.
func (v *verifier) entry(ctx context.Context, c cell) error {
	kept, ok, err := v.remembered(ctx, v.next)
	if err != nil {
		return err
	}
	s := suspect{from: v.next, to: v.next, row: c.row != c.leaf, tile: ok && kept != c.leaf, seal: c.seal}
	if s.row || s.tile || s.seal == broken {
		v.suspect(s)
	} else if c.seal == strange {
		v.strange.add(v.next)
	}
	if !ok {
		kept = c.row
	}
	return v.grow(ctx, c.leaf, kept)
}

// remembered returns what the tile of level 0 says of an entry, if there is one.
func (v *verifier) remembered(ctx context.Context, entry int64) (tlog.Hash, bool, error) {
	ok, err := v.bottom(ctx, (entry-1)/TileWidth)
	if !ok {
		return tlog.Hash{}, false, err
	}
	return slot(v.tile, entry), true, nil
}

// bottom has v.tile be a tile of level 0, and reports whether there is one.
func (v *verifier) bottom(ctx context.Context, n int64) (bool, error) {
	if v.tile.N != n || v.tile.Hashes == nil {
		t, ok, err := readTile(ctx, v.source, 0, n)
		if err != nil {
			return false, err
		}
		if !ok {
			t = Tile{N: n, Hashes: []byte{}} // looked for, not there
		}
		v.tile = t
	}
	return len(v.tile.Hashes) > 0, nil
}

// grow puts the next entry into both trees, compares the tiles that it
// completes, and weighs the checkpoints of that size.
func (v *verifier) grow(ctx context.Context, leaf, kept tlog.Hash) error {
	if !v.lost {
		if v.kept == nil && leaf != kept {
			v.kept = v.leaves.Clone()
		}
		tiles := v.leaves.Append(leaf)
		other := tiles
		if v.kept != nil {
			other = v.kept.Append(kept)
		}
		for i := range tiles {
			if err := v.compare(ctx, tiles[i], other[i]); err != nil {
				return err
			}
		}
	}
	v.next++
	return v.weigh(ctx, v.next-1)
}

// compare compares a stored tile with what it should hold by the leaves and by
// what is kept.
func (v *verifier) compare(ctx context.Context, leaves, kept Tile) error {
	var t Tile
	var ok bool
	var err error
	if leaves.Level == 0 {
		ok, err = v.bottom(ctx, leaves.N) // it was compared entry by entry
	} else {
		t, ok, err = readTile(ctx, v.source, leaves.Level, leaves.N)
	}
	if err != nil {
		return err
	}
	entries := int64(1) << (tileHeight * leaves.Level) // under each hash
	first := leaves.N*TileWidth*entries + 1
	if !ok {
		v.found.add(TileEdited, first, first+TileWidth*entries-1, "tile %d of level %d is missing", leaves.N, leaves.Level)
		return nil
	}
	if leaves.Level == 0 || bytes.Equal(t.Hashes, leaves.Hashes) || bytes.Equal(t.Hashes, kept.Hashes) {
		return nil
	}
	for i := range int64(TileWidth) {
		lo, hi := i*tlog.HashSize, (i+1)*tlog.HashSize
		if h := t.Hashes[lo:hi]; !bytes.Equal(h, leaves.Hashes[lo:hi]) && !bytes.Equal(h, kept.Hashes[lo:hi]) {
			from := first + i*entries
			v.suspect(suspect{from: from, to: from + entries - 1, tile: true, level: leaves.Level})
		}
	}
	return nil
}

// surplusTiles looks for tiles that remember more entries than there are.
func (v *verifier) surplusTiles(ctx context.Context) error {
	end := v.next - 1
	to := int64(0)
	for level := range tileLevels {
		shift := tileHeight * (level + 1)
		complete := int64(0)
		if shift < 63 {
			complete = end >> shift
		}
		tiles, err := v.source.Tiles(ctx, level, complete-1, 1)
		if err != nil {
			return err
		}
		if len(tiles) == 0 {
			continue
		}
		if n := tiles[0].N; shift >= 63 || n >= math.MaxInt64>>shift {
			v.found.add(TileEdited, end+1, end+1, "no log has a tile %d of level %d", n, level)
		} else {
			to = max(to, (n+1)<<shift)
		}
	}
	if to > end && to > v.signed {
		v.found.add(Truncated, end+1, to, "tiles remember them")
	}
	return nil
}
