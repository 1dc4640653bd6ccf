package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

// A want is a finding without its detail.
type want struct {
	kind     audit.Kind
	from, to int64
}

// A means is what the verifier has in hand.
type means string

const (
	noKeys   means = "no keys"  // the log's public key only
	withKeys means = "keys"     // and the data keys
	witness  means = "evidence" // and the evidence file
)

func verify(t testing.TB, m *memory, with means) (audit.Report, error) {
	o := audit.VerifyOptions{Verifier: m.verifier(t)}
	if with != noKeys {
		o.Keyring = audit.NewKeyring(dataKey)
	}
	if with == witness {
		o.Evidence = bytes.NewReader(m.evidence)
	}
	return audit.Verify(t.Context(), m.source(), o)
}

func wants(r audit.Report) []want {
	var out []want
	for _, f := range r.Findings {
		out = append(out, want{f.Kind, f.From, f.To})
	}
	return out
}

// The log that every test tampers with: 700 entries, signed at 100, 300 and 600;
// tiles remember the first 512.
func original(t testing.TB) *memory { return newMemory(t).grow(t, 700, 100, 300, 600) }

// An honest log verifies, at every size around the edges of tiles and
// checkpoints, and the report says how far it is proved.
func TestVerifyHonest(t *testing.T) {
	m := newMemory(t)
	for size := int64(0); size <= 520; size++ {
		if slices.Contains([]int64{0, 1, 2, 255, 256, 257, 511, 512, 513, 520}, size) {
			proved := int64(0)
			if size >= 256 {
				proved = 256
			}
			for _, with := range []means{noKeys, withKeys, witness} {
				r, err := verify(t, m, with)
				require.NoError(t, err, "size %d, %s", size, with)
				require.Equal(t, proved, r.Proved)
				require.Equal(t, size, r.Last)
				require.Equal(t, m.tree.Hash(), r.Hash)
				first, last, tail := r.Tail()
				require.Equal(t, size > proved, tail)
				if tail {
					require.Equal(t, []int64{proved + 1, size}, []int64{first, last})
				}
				if with == noKeys {
					require.Equal(t, size, r.Sealed)
				} else {
					require.Equal(t, size, r.Opened)
				}
			}
		}
		m.grow(t, 1, 256)
	}
}

// Every tampering by someone who owns the database but not the log's keys is
// named for what it is, by entry, or by the range of what can be known with the
// means at hand. A log of which nothing is found is said to be proved no further
// than it is.
func TestTampering(t *testing.T) {
	forged := func(t *testing.T, seq int64) audit.Record { // what a stranger can seal at best
		rec, err := audit.NewSealer(audit.NewKeys([32]byte{66}), audit.NewDataKey()).Seal(seq, day, issue)
		require.NoError(t, err)
		return rec
	}
	edit := func(m *memory, seq int64) { m.rows[seq-1].Leaf[len(m.rows[seq-1].Leaf)-1] ^= 1 }
	rehashRow := func(m *memory, seq int64) { m.rows[seq-1].Hash = tlog.RecordHash(m.rows[seq-1].Leaf) }
	remove := func(m *memory, from, to int64) { m.rows = slices.Delete(m.rows, int(from-1), int(to)) }
	renumber := func(m *memory, from, by int64) {
		for i := range m.rows {
			if m.rows[i].Seq >= from {
				m.rows[i].Seq += by
			}
		}
	}
	swap := func(m *memory, a, b int64) { m.rows[a-1].Seq, m.rows[b-1].Seq = b, a }
	truncate := func(m *memory, size int64) {
		m.rows = m.rows[:size]
		m.tiles = slices.DeleteFunc(m.tiles, func(t audit.Tile) bool { return (t.N+1)<<(8*(t.Level+1)) > size })
	}

	pristine := original(t)
	for _, tt := range []struct {
		name   string
		tamper func(t *testing.T, m *memory)
		blind  []want // by who has no data keys
		found  []want // by who has
		seen   []want // by who has the evidence file as well; nil: as found
		proved int64
	}{
		{
			name:   "edit a leaf",
			tamper: func(t *testing.T, m *memory) { edit(m, 3) },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "edit a leaf beyond decoding",
			tamper: func(t *testing.T, m *memory) { m.rows[2].Leaf = []byte("nonsense") },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "edit a leaf where no tile is",
			tamper: func(t *testing.T, m *memory) { edit(m, 555) },
			blind:  []want{{audit.Edited, 555, 555}}, found: []want{{audit.Edited, 555, 555}}, proved: 600,
		}, {
			name:   "edit the hash of a row",
			tamper: func(t *testing.T, m *memory) { m.rows[2].Hash[0] ^= 1 },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "edit a leaf and its hash",
			tamper: func(t *testing.T, m *memory) { edit(m, 3); rehashRow(m, 3) },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "edit a leaf and its hash where no tile is",
			tamper: func(t *testing.T, m *memory) { edit(m, 555); rehashRow(m, 555) },
			blind:  []want{{audit.Rewritten, 301, 600}}, found: []want{{audit.Edited, 555, 555}}, proved: 300,
		}, {
			name:   "edit a leaf and its hash in the tail",
			tamper: func(t *testing.T, m *memory) { edit(m, 650); rehashRow(m, 650) },
			blind:  nil, found: []want{{audit.Forged, 650, 650}}, proved: 600,
		}, {
			name:   "put nonsense and its hash in the tail",
			tamper: func(t *testing.T, m *memory) { m.rows[649].Leaf = []byte("nonsense"); rehashRow(m, 650) },
			blind:  []want{{audit.Forged, 650, 650}}, found: []want{{audit.Forged, 650, 650}}, proved: 600,
		}, {
			name:   "edit a leaf and rehash all",
			tamper: func(t *testing.T, m *memory) { edit(m, 3); m.rehash() },
			blind:  []want{{audit.Rewritten, 1, 100}}, found: []want{{audit.Edited, 3, 3}}, proved: 0,
		}, {
			name:   "edit a leaf between two checkpoints and rehash all",
			tamper: func(t *testing.T, m *memory) { edit(m, 222); m.rehash() },
			blind:  []want{{audit.Rewritten, 101, 300}}, found: []want{{audit.Edited, 222, 222}}, proved: 100,
		}, {
			name:   "put a stranger's entry in the place of one, and rehash all",
			tamper: func(t *testing.T, m *memory) { m.rows[221] = forged(t, 222); m.rehash() },
			blind:  []want{{audit.Rewritten, 101, 300}}, found: []want{{audit.Forged, 222, 222}, {audit.Rewritten, 101, 300}}, proved: 100,
		}, {
			name:   "append a stranger's entry",
			tamper: func(t *testing.T, m *memory) { m.rows = append(m.rows, forged(t, 701)) },
			blind:  nil, found: []want{{audit.Forged, 701, 701}}, proved: 600,
		}, {
			name:   "edit a tile",
			tamper: func(t *testing.T, m *memory) { m.tiles[0].Hashes[2*tlog.HashSize] ^= 1 },
			blind:  []want{{audit.TileEdited, 3, 3}}, found: []want{{audit.TileEdited, 3, 3}}, proved: 600,
		}, {
			name:   "delete a tile",
			tamper: func(t *testing.T, m *memory) { m.tiles = m.tiles[1:] },
			blind:  []want{{audit.TileEdited, 1, 256}}, found: []want{{audit.TileEdited, 1, 256}}, proved: 600,
		}, {
			name:   "cut a tile",
			tamper: func(t *testing.T, m *memory) { m.tiles[1].Hashes = m.tiles[1].Hashes[:32] },
			blind:  []want{{audit.TileEdited, 257, 512}}, found: []want{{audit.TileEdited, 257, 512}}, proved: 600,
		}, {
			name:   "delete a row",
			tamper: func(t *testing.T, m *memory) { remove(m, 5, 5) },
			blind:  []want{{audit.Deleted, 5, 5}}, found: []want{{audit.Deleted, 5, 5}}, proved: 600,
		}, {
			name:   "delete rows in two places",
			tamper: func(t *testing.T, m *memory) { remove(m, 400, 409); remove(m, 5, 7) },
			blind:  []want{{audit.Deleted, 5, 7}, {audit.Deleted, 400, 409}}, found: []want{{audit.Deleted, 5, 7}, {audit.Deleted, 400, 409}}, proved: 600,
		}, {
			name:   "delete a row where no tile is",
			tamper: func(t *testing.T, m *memory) { remove(m, 555, 555) },
			blind:  []want{{audit.Deleted, 555, 555}}, found: []want{{audit.Deleted, 555, 555}}, proved: 300,
		}, {
			name:   "delete a row and renumber the rest",
			tamper: func(t *testing.T, m *memory) { remove(m, 5, 5); renumber(m, 6, -1) },
			blind:  []want{{audit.Deleted, 5, 5}, {audit.Renumbered, 6, 700}},
			found:  []want{{audit.Deleted, 5, 5}, {audit.Renumbered, 6, 700}}, proved: 600,
		}, {
			name:   "delete a row, renumber the rest, rehash all",
			tamper: func(t *testing.T, m *memory) { remove(m, 5, 5); renumber(m, 6, -1); m.rehash() },
			blind:  []want{{audit.Deleted, 5, 5}, {audit.Renumbered, 6, 700}, {audit.Rewritten, 1, 100}},
			found:  []want{{audit.Deleted, 5, 5}, {audit.Renumbered, 6, 700}, {audit.TileEdited, 6, 512}, {audit.Rewritten, 1, 100}}, proved: 0,
		}, {
			name: "delete a row, renumber the rest, leaves included, rehash all",
			tamper: func(t *testing.T, m *memory) {
				remove(m, 5, 5)
				renumber(m, 6, -1)
				for i := 4; i < len(m.rows); i++ {
					copy(m.rows[i].Leaf[1:9], []byte{0, 0, 0, 0, 0, 0, byte((i + 1) >> 8), byte(i + 1)})
				}
				m.rehash()
			},
			blind: []want{{audit.Rewritten, 1, 100}},
			found: []want{{audit.Edited, 5, 600}, {audit.Forged, 601, 699}}, proved: 0,
		}, {
			name:   "renumber",
			tamper: func(t *testing.T, m *memory) { renumber(m, 5, +1) },
			blind:  []want{{audit.Renumbered, 5, 700}}, found: []want{{audit.Renumbered, 5, 700}}, proved: 600,
		}, {
			name:   "renumber the tail far away",
			tamper: func(t *testing.T, m *memory) { renumber(m, 690, 1e15) },
			blind:  []want{{audit.Renumbered, 690, 700}}, found: []want{{audit.Renumbered, 690, 700}}, proved: 600,
		}, {
			name:   "hide a row under a negative number",
			tamper: func(t *testing.T, m *memory) { m.rows[4].Seq = -5 },
			blind:  []want{{audit.Renumbered, 5, 5}}, found: []want{{audit.Renumbered, 5, 5}}, proved: 600,
		}, {
			name:   "swap two",
			tamper: func(t *testing.T, m *memory) { swap(m, 3, 4) },
			blind:  []want{{audit.Reordered, 3, 4}}, found: []want{{audit.Reordered, 3, 4}}, proved: 600,
		}, {
			name:   "swap two pairs, far apart",
			tamper: func(t *testing.T, m *memory) { swap(m, 3, 4); swap(m, 20, 690) },
			blind:  []want{{audit.Reordered, 3, 4}, {audit.Reordered, 20, 690}},
			found:  []want{{audit.Reordered, 3, 4}, {audit.Reordered, 20, 690}}, proved: 600,
		}, {
			name:   "swap two in the tail",
			tamper: func(t *testing.T, m *memory) { swap(m, 650, 651) },
			blind:  []want{{audit.Reordered, 650, 651}}, found: []want{{audit.Reordered, 650, 651}}, proved: 600,
		}, {
			name:   "swap two and rehash all",
			tamper: func(t *testing.T, m *memory) { swap(m, 3, 4); m.source(); m.rehash() },
			blind:  []want{{audit.Reordered, 3, 4}, {audit.Rewritten, 1, 100}},
			found:  []want{{audit.Reordered, 3, 4}, {audit.TileEdited, 3, 4}}, proved: 600,
		}, {
			name: "copy an entry over another",
			tamper: func(t *testing.T, m *memory) {
				c := m.rows[9]
				c.Seq = 20
				m.rows[19] = c
			},
			blind: []want{{audit.Inserted, 10, 10}, {audit.Renumbered, 10, 10}, {audit.Deleted, 20, 20}},
			found: []want{{audit.Inserted, 10, 10}, {audit.Renumbered, 10, 10}, {audit.Deleted, 20, 20}}, proved: 600,
		}, {
			name: "insert a stranger's entry and renumber the rest",
			tamper: func(t *testing.T, m *memory) {
				renumber(m, 5, 1)
				m.rows = slices.Insert(m.rows, 4, forged(t, 5))
			},
			blind: []want{{audit.Edited, 5, 5}, {audit.Inserted, 5, 5}, {audit.Renumbered, 5, 700}},
			found: []want{{audit.Edited, 5, 5}, {audit.Inserted, 5, 5}, {audit.Renumbered, 5, 700}}, proved: 600,
		}, {
			name:   "a second row of one number",
			tamper: func(t *testing.T, m *memory) { m.rows = slices.Insert(m.rows, 4, m.rows[4]) },
			blind:  []want{{audit.Inserted, 5, 5}}, found: []want{{audit.Inserted, 5, 5}}, proved: 600,
		}, {
			name:   "edit the time of a row",
			tamper: func(t *testing.T, m *memory) { m.rows[2].At = m.rows[2].At.Add(time.Millisecond) },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "edit the action of a row",
			tamper: func(t *testing.T, m *memory) { m.rows[2].Action = "daemon.start" },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "edit a term",
			tamper: func(t *testing.T, m *memory) { m.rows[2].Terms[0][0] ^= 1 },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "delete a term",
			tamper: func(t *testing.T, m *memory) { m.rows[2].Terms = m.rows[2].Terms[1:] },
			blind:  []want{{audit.Edited, 3, 3}}, found: []want{{audit.Edited, 3, 3}}, proved: 600,
		}, {
			name:   "truncate before the last checkpoint",
			tamper: func(t *testing.T, m *memory) { truncate(m, 550) },
			blind:  []want{{audit.Truncated, 551, 600}}, found: []want{{audit.Truncated, 551, 600}}, proved: 300,
		}, {
			name:   "truncate, and the last checkpoint too",
			tamper: func(t *testing.T, m *memory) { truncate(m, 550); m.notes = m.notes[:2] },
			blind:  nil, found: nil, seen: []want{{audit.Truncated, 551, 600}}, proved: 300,
		}, {
			name:   "truncate, leave the tiles",
			tamper: func(t *testing.T, m *memory) { m.rows = m.rows[:450]; m.notes = m.notes[:2] },
			blind:  []want{{audit.Truncated, 451, 512}}, found: []want{{audit.Truncated, 451, 512}},
			seen: []want{{audit.Truncated, 451, 600}}, proved: 300,
		}, {
			name:   "truncate the tail after the last checkpoint",
			tamper: func(t *testing.T, m *memory) { truncate(m, 650) },
			blind:  nil, found: nil, proved: 600,
		}, {
			name:   "empty the log",
			tamper: func(t *testing.T, m *memory) { truncate(m, 0); m.notes = nil },
			blind:  nil, found: nil, seen: []want{{audit.Truncated, 1, 600}}, proved: 0,
		}, {
			name:   "delete a checkpoint",
			tamper: func(t *testing.T, m *memory) { m.notes = slices.Delete(m.notes, 1, 2) },
			blind:  nil, found: nil, seen: []want{{audit.CheckpointDeleted, 300, 300}}, proved: 600,
		}, {
			name:   "delete all checkpoints",
			tamper: func(t *testing.T, m *memory) { m.notes = nil },
			blind:  nil, found: nil, seen: []want{{audit.CheckpointDeleted, 100, 600}}, proved: 0,
		}, {
			name:   "edit a checkpoint",
			tamper: func(t *testing.T, m *memory) { m.notes[1].Note = strings.Replace(m.notes[1].Note, "300", "301", 1) },
			blind:  []want{{audit.CheckpointEdited, 300, 300}}, found: []want{{audit.CheckpointEdited, 300, 300}}, proved: 600,
		}, {
			name:   "move a checkpoint to another size",
			tamper: func(t *testing.T, m *memory) { m.notes[2].Note = m.notes[1].Note },
			blind:  []want{{audit.CheckpointEdited, 600, 600}}, found: []want{{audit.CheckpointEdited, 600, 600}}, proved: 300,
		}, {
			name:   "put back an older database",
			tamper: func(t *testing.T, m *memory) { truncate(m, 400); m.notes = m.notes[:2] },
			blind:  nil, found: nil, seen: []want{{audit.Truncated, 401, 600}}, proved: 300,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.seen == nil {
				tt.seen = tt.found
			}
			for with, want := range map[means][]want{noKeys: tt.blind, withKeys: tt.found, witness: tt.seen} {
				m := pristine.clone()
				tt.tamper(t, m)
				r, err := verify(t, m, with)
				require.Equal(t, want, wants(r), "%s\n%s", with, r)
				if want == nil {
					require.NoError(t, err)
				} else {
					var tamper *audit.TamperError
					require.ErrorAs(t, err, &tamper)
					require.Equal(t, r.Findings[0], tamper)
				}
				if with == withKeys {
					require.Equal(t, tt.proved, r.Proved, "%s", r)
				}
				if with == noKeys {
					require.LessOrEqual(t, r.Proved, tt.proved, "%s", r)
				}
			}
		})
	}
}
