package audit_test

import (
	"encoding/binary"
	"testing"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

// hashed returns a log of n hashes without leaves, and all the nodes of its
// tree as tlog itself computes them.
func hashed(t testing.TB, n int64) (*memory, tlog.HashReader) {
	m := new(memory)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for seq := int64(1); seq <= n; seq++ {
		h := tlog.RecordHash(binary.AppendVarint(nil, seq))
		more, err := tlog.StoredHashesForRecordHash(seq-1, h, reader)
		require.NoError(t, err)
		stored = append(stored, more...)
		m.rows = append(m.rows, audit.Record{Seq: seq, Hash: h})
		m.tiles = append(m.tiles, m.tree.Append(h)...)
	}
	m.source() // sorts
	return m, reader
}

// The incremental tree has the root that tlog computes, at every size, cuts
// tiles as they complete, and is the same when it is loaded from them.
func TestTree(t *testing.T) {
	const n = 256*256 + 3*256 + 7
	m, reader := hashed(t, n)
	require.Len(t, m.tiles, 256+3+1)
	for _, tile := range m.tiles {
		want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: tile.Level, N: tile.N, W: 256}, reader)
		require.NoError(t, err)
		require.Equal(t, want, tile.Hashes)
	}

	var grown audit.Tree
	for seq := int64(0); seq <= n; seq++ {
		if seq < 600 || seq > 65000 && seq%17 == 0 || seq == n {
			want, err := tlog.TreeHash(seq, reader)
			require.NoError(t, err)
			require.Equal(t, want, grown.Hash(), "size %d", seq)
			require.Equal(t, seq, grown.Size())
		}
		if seq < 600 && seq%31 == 0 || seq%8191 == 0 || seq == n || seq == 65536 {
			loaded, err := audit.LoadTree(t.Context(), source{m}, seq)
			require.NoError(t, err)
			require.Equal(t, grown.Hash(), loaded.Hash(), "size %d", seq)
			before := grown.Hash()
			a, b := grown.Clone(), loaded
			for range 300 { // both go on alike, and apart from the one they come from
				require.Equal(t, a.Append(tlog.Hash{1}), b.Append(tlog.Hash{1}))
				require.Equal(t, a.Hash(), b.Hash())
			}
			require.Equal(t, before, grown.Hash())
		}
		if seq < n {
			grown.Append(m.rows[seq].Hash)
		}
	}
}

// A tree and its clone go their own ways, whoever appends first.
func TestTreeClone(t *testing.T) {
	m, _ := hashed(t, 10)
	tree := &m.tree
	clone := tree.Clone()
	fill := func(tree *audit.Tree) []byte {
		for {
			if tiles := tree.Append(tlog.Hash{}); len(tiles) > 0 {
				return tiles[0].Hashes
			}
		}
	}
	clone.Append(tlog.Hash{1})
	tree.Append(tlog.Hash{2})
	clone.Append(tlog.Hash{3})
	of, ofClone := fill(tree), fill(clone)
	at := 10 * tlog.HashSize
	require.Equal(t, []byte{2, 0}, []byte{of[at], of[at+tlog.HashSize]})
	require.Equal(t, []byte{1, 3}, []byte{ofClone[at], ofClone[at+tlog.HashSize]})
	require.NotEqual(t, tree.Hash(), clone.Hash())
}

// A tree is not loaded from a store that lacks a part of it.
func TestLoadTreeIncomplete(t *testing.T) {
	m, _ := hashed(t, 600)
	lackRow := m.clone()
	lackRow.rows = lackRow.rows[:599]
	_, err := audit.LoadTree(t.Context(), lackRow.source(), 600)
	require.Error(t, err)
	lackTile := m.clone()
	lackTile.tiles = lackTile.tiles[1:]
	_, err = audit.LoadTree(t.Context(), lackTile.source(), 600)
	require.Error(t, err)
}

// Proofs out of tiles and rows convince tlog and a monitor, for sizes on both
// sides of every tile's edge.
func TestProofs(t *testing.T) {
	const n = 256*256 + 3*256 + 7
	m, reader := hashed(t, n)
	sizes := []int64{1, 2, 3, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537, 65536 + 256, n - 1, n}
	head := func(size int64) checkpoint.Checkpoint {
		h, err := tlog.TreeHash(size, reader)
		require.NoError(t, err)
		return checkpoint.Checkpoint{Origin: origin, Size: size, Hash: h}
	}
	for _, size := range sizes {
		root, err := audit.Root(t.Context(), source{m}, size)
		require.NoError(t, err)
		require.Equal(t, head(size).Hash, root)
		for _, old := range sizes {
			if old > size {
				_, err := audit.ProveConsistency(t.Context(), source{m}, old, size)
				require.Error(t, err)
				continue
			}
			proof, err := audit.ProveConsistency(t.Context(), source{m}, old, size)
			require.NoError(t, err)
			require.NoError(t, checkpoint.CheckConsistency(head(old), head(size), proof), "%d in %d", old, size)

			record, err := audit.ProveInclusion(t.Context(), source{m}, size, old)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckRecord(record, size, head(size).Hash, old-1, m.rows[old-1].Hash))
		}
	}
	_, err := audit.ProveConsistency(t.Context(), source{m}, 0, 5)
	require.Error(t, err)
	_, err = audit.ProveInclusion(t.Context(), source{m}, 5, 6)
	require.Error(t, err)
	_, err = audit.ProveInclusion(t.Context(), source{m}, n+300, 6)
	require.Error(t, err, "beyond the log")
	_, err = audit.Root(t.Context(), source{m}, n+300)
	require.Error(t, err, "beyond the log")
}

func BenchmarkTreeAppend(b *testing.B) {
	var tree audit.Tree
	b.ReportAllocs()
	for b.Loop() {
		tree.Append(tlog.Hash{1})
	}
}

func BenchmarkTreeClone(b *testing.B) {
	m, _ := hashed(b, 65535)
	b.ReportAllocs()
	for b.Loop() {
		m.tree.Clone()
	}
}
