package audit_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

// Two histories that the log itself signed are named as a fork, between the
// last head that both share and the first where they part; where it cannot be
// known that the log signed both, only as rewritten; where one is merely
// shorter, as truncated.
func TestFork(t *testing.T) {
	common := newMemory(t).grow(t, 400, 100, 300)
	first := common.clone().grow(t, 300, 500, 600)
	for _, tt := range []struct {
		name   string
		second func() *memory // the store; its evidence is as given
		blind  []want
		found  []want
		proved int64
	}{
		{
			name: "both signed the same size",
			second: func() *memory {
				m := common.clone().grow(t, 300, 500)
				m.evidence = first.evidence
				return m
			},
			blind: []want{{audit.CheckpointDeleted, 600, 600}, {audit.Forked, 301, 500}},
			found: []want{{audit.CheckpointDeleted, 600, 600}, {audit.Forked, 301, 500}}, proved: 500,
		}, {
			name: "the second signed later",
			second: func() *memory {
				m := common.clone().grow(t, 300, 650)
				m.evidence = first.evidence
				return m
			},
			blind: []want{{audit.CheckpointDeleted, 500, 600}, {audit.Forked, 301, 500}},
			found: []want{{audit.CheckpointDeleted, 500, 600}, {audit.Forked, 301, 500}}, proved: 650,
		}, {
			name: "the second is not signed",
			second: func() *memory {
				m := common.clone().grow(t, 300)
				m.evidence = first.evidence
				return m
			},
			blind: []want{{audit.CheckpointDeleted, 500, 600}, {audit.Rewritten, 301, 500}},
			found: []want{{audit.CheckpointDeleted, 500, 600}, {audit.Forked, 301, 500}}, proved: 300,
		}, {
			name: "an older database is put back and goes on, not yet as far",
			second: func() *memory {
				m := common.clone()
				m.evidence = slices.Clone(first.evidence)
				return m.grow(t, 150, 450)
			},
			blind: []want{{audit.Truncated, 551, 600}, {audit.CheckpointDeleted, 500, 500}, {audit.Rewritten, 301, 500}},
			found: []want{{audit.Truncated, 551, 600}, {audit.CheckpointDeleted, 500, 500}, {audit.Forked, 301, 500}},
		}, {
			name: "an older database is put back and goes on, farther",
			second: func() *memory {
				m := common.clone()
				m.evidence = slices.Clone(first.evidence)
				return m.grow(t, 400, 450, 750)
			},
			blind: []want{{audit.CheckpointDeleted, 500, 600}, {audit.Forked, 301, 500}},
			found: []want{{audit.CheckpointDeleted, 500, 600}, {audit.Forked, 301, 500}}, proved: 750,
		}, {
			name: "the evidence has two of one size",
			second: func() *memory {
				m := first.clone()
				m.evidence = append(slices.Clone(first.evidence), common.clone().grow(t, 200, 600).evidence...)
				return m
			},
			blind: []want{{audit.Forked, 301, 600}}, found: []want{{audit.Forked, 301, 600}}, proved: 600,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, ring := range []*audit.Keyring{nil, audit.NewKeyring(dataKey)} {
				m := tt.second()
				r, err := audit.Verify(t.Context(), m.source(), audit.VerifyOptions{
					Verifier: m.verifier(t), Keyring: ring, Evidence: bytes.NewReader(m.evidence),
				})
				var tamper *audit.TamperError
				require.ErrorAs(t, err, &tamper)
				expected := tt.blind
				if ring != nil {
					expected = tt.found
				}
				require.Equal(t, expected, wants(r), "%s", r)
				if tt.proved > 0 {
					require.Equal(t, tt.proved, r.Proved, "%s", r)
				}
			}
		})
	}
}

// A crash in the middle of writing the evidence spoils no other note, and junk
// in it is counted and ignored: only the log's signature is evidence.
func TestEvidence(t *testing.T) {
	m := newMemory(t).grow(t, 30, 10, 20, 30)
	var notes [][]byte
	for _, c := range m.notes {
		notes = append(notes, audit.EvidenceNote(c.Note))
	}
	other, err := audit.NewKeys([32]byte{9}).Signer(origin)
	require.NoError(t, err)
	foreign, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: 15}, other)
	require.NoError(t, err)
	cosigned := func(n []byte) []byte { return append(slices.Clone(n), "— witness.example AAAAAAAA\n"...) }

	for name, tt := range map[string]struct {
		evidence         []byte
		agrees, unsigned int
	}{
		"empty":            {nil, 0, 0},
		"blank":            {[]byte("\n\n \n"), 0, 0},
		"whole":            {slices.Concat(notes...), 3, 0},
		"said twice":       {slices.Concat(notes[0], notes[1], notes[1], notes[2]), 3 + 1, 0},
		"out of order":     {slices.Concat(notes[1], notes[0], notes[2]), 3, 0},
		"junk":             {slices.Concat([]byte("junk\n\n\x00\xff\n"), notes[0], []byte(strings.Repeat("x", 1<<20)), notes[1]), 1, 1 + 1},
		"another key":      {slices.Concat(notes[0], audit.EvidenceNote(foreign), notes[1]), 2, 1},
		"witnessed":        {slices.Concat(notes[0], cosigned(notes[1]), notes[2]), 3, 0},
		"no line at end":   {bytes.TrimSuffix(notes[0], []byte("\n")), 1, 0},
		"carriage returns": {bytes.ReplaceAll(notes[0], []byte("\n"), []byte("\r\n")), 0, 1},
	} {
		r, err := audit.Verify(t.Context(), m.source(), audit.VerifyOptions{Verifier: m.verifier(t), Evidence: bytes.NewReader(tt.evidence)})
		require.NoError(t, err, name)
		require.Equal(t, []int{tt.agrees, tt.unsigned}, []int{r.Evidence, r.Unsigned}, name)
	}
	for cut := range notes[1] { // torn after any byte
		evidence := slices.Concat(notes[0], notes[1][:cut], notes[2])
		r, err := audit.Verify(t.Context(), m.source(), audit.VerifyOptions{Verifier: m.verifier(t), Evidence: bytes.NewReader(evidence)})
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.Evidence, 2, "torn after %d bytes: %s", cut, r)
	}
}

// A tile of a higher level bears witness against those who did not hash all the
// way up, and is named itself where it was edited.
func TestHighTile(t *testing.T) {
	m := newMemory(t)
	for seq := int64(1); seq <= 256*256+10; seq++ {
		m.append(t, audit.Event{Action: "a"})
	}
	m.checkpoint(t)
	r, err := verify(t, m, noKeys)
	require.NoError(t, err)
	require.Equal(t, int64(256*256+10), r.Proved)
	high := slices.IndexFunc(m.tiles, func(t audit.Tile) bool { return t.Level == 1 })

	edited := m.clone()
	edited.tiles[high].Hashes[2*tlog.HashSize] ^= 1
	r, err = verify(t, edited, noKeys)
	require.Error(t, err)
	require.Equal(t, []want{{audit.TileEdited, 513, 768}}, wants(r), "%s", r)
	require.Equal(t, int64(256*256+10), r.Proved)

	rewritten := m.clone()
	rewritten.rows[600].Leaf[len(rewritten.rows[600].Leaf)-1] ^= 1
	rewritten.rehash()
	rewritten.tiles[slices.IndexFunc(rewritten.tiles, func(t audit.Tile) bool { return t.Level == 1 })] = m.tiles[high]
	r, err = verify(t, rewritten, noKeys)
	require.Error(t, err)
	require.Equal(t, []want{{audit.Rewritten, 513, 768}}, wants(r), "%s", r)
	require.Zero(t, r.Proved)

	missing := m.clone()
	missing.tiles = slices.Delete(missing.tiles, high, high+1)
	r, err = verify(t, missing, noKeys)
	require.Error(t, err)
	require.Equal(t, []want{{audit.TileEdited, 1, 65536}}, wants(r), "%s", r)

	truncated := m.clone()
	truncated.rows, truncated.notes = truncated.rows[:65530], nil
	r, err = verify(t, truncated, noKeys)
	require.Error(t, err)
	require.Equal(t, []want{{audit.Truncated, 65531, 65536}}, wants(r), "%s", r)
}

// Whoever changes anything at random under the last checkpoint is found, and
// nothing that is found makes Verify fail, panic or run away.
func TestRandomTampering(t *testing.T) {
	pristine := newMemory(t).grow(t, 600, 100, 256, 600)
	for round := range 100 {
		random := rand.New(rand.NewPCG(1, uint64(round)))
		m := pristine.clone()
		for range 1 + random.IntN(3) {
			row := &m.rows[random.IntN(len(m.rows))]
			tile := &m.tiles[random.IntN(len(m.tiles))]
			switch random.IntN(8) {
			case 0:
				row.Leaf[random.IntN(len(row.Leaf))] ^= 1 << random.IntN(8)
			case 1:
				row.Hash[random.IntN(len(row.Hash))] ^= 1 << random.IntN(8)
			case 2:
				row.Leaf[random.IntN(len(row.Leaf))] ^= 1 << random.IntN(8)
				row.Hash = tlog.RecordHash(row.Leaf)
			case 3:
				tile.Hashes[random.IntN(len(tile.Hashes))] ^= 1 << random.IntN(8)
			case 4:
				row.Seq = random.Int64N(2000) - 500
				for row.Seq > 0 && row.Seq <= 600 { // a database would not have two
					row.Seq += 600
				}
			case 5:
				m.rows = slices.Delete(m.rows, 7, 7+1+random.IntN(20))
			case 6:
				n := len(m.rows)
				m.rows = append(m.rows[:n/2+random.IntN(n/3)], m.rows[n-n/20:]...)
			case 7:
				other := &m.rows[random.IntN(len(m.rows))]
				if row == other {
					row = &m.rows[0]
					other = &m.rows[1]
				}
				row.Seq, other.Seq = other.Seq, row.Seq
			}
			m.source()
			if random.IntN(4) == 0 {
				m.rehash()
			}
		}
		if reflect.DeepEqual(m.rows, pristine.rows) && reflect.DeepEqual(m.tiles, pristine.tiles) {
			continue // undone
		}
		for _, with := range []means{noKeys, withKeys, witness} {
			r, err := verify(t, m, with)
			var tamper *audit.TamperError
			require.ErrorAs(t, err, &tamper, "round %d, %s", round, with)
			require.NotEmpty(t, r.String())
		}
	}
}

// What a stranger slips into the store, and the daemon then signs in good faith
// as it starts, is named nonetheless; so is a data key that was deleted without
// the log's consent, and not one that was destroyed with it.
func TestUnreadable(t *testing.T) {
	data := audit.NewDataKey()
	stranger := audit.NewSealer(audit.NewKeys([32]byte{66}), data)
	slip := func(m *memory, change func(leaf []byte)) {
		rec, err := stranger.Seal(m.tree.Size()+1, day, issue)
		require.NoError(t, err)
		change(rec.Leaf)
		rec.Hash = tlog.RecordHash(rec.Leaf)
		m.rows = append(m.rows, rec)
		m.tiles = append(m.tiles, m.tree.Append(rec.Hash)...)
	}
	m := newMemory(t).grow(t, 20, 10)
	slip(m, func([]byte) {})
	slip(m, func(leaf []byte) { copy(leaf[1+8+8+1+len(issue.Action):], dataKey.ID[:]) })
	m.grow(t, 10, 30)
	r, err := verify(t, m, withKeys)
	require.Error(t, err)
	require.Equal(t, []want{{audit.Unreadable, 21, 21}, {audit.Forged, 22, 22}}, wants(r), "%s", r)
	require.Equal(t, int64(30), r.Proved)

	honest := newMemory(t).grow(t, 20, 10, 20)
	o := audit.VerifyOptions{Verifier: honest.verifier(t), Keyring: audit.NewKeyring()}
	r, err = audit.Verify(t.Context(), honest.source(), o)
	require.Error(t, err)
	require.Equal(t, []want{{audit.Unreadable, 1, 20}}, wants(r), "%s", r)
	o.Destroyed = []audit.KeyID{dataKey.ID}
	r, err = audit.Verify(t.Context(), honest.source(), o)
	require.NoError(t, err)
	require.Equal(t, int64(20), r.Sealed)
}

// A store that cannot be read is not a log that was tampered with.
func TestVerifyUnreadable(t *testing.T) {
	m := newMemory(t).grow(t, 600, 100)
	_, err := audit.Verify(t.Context(), broken{source{m}}, audit.VerifyOptions{Verifier: m.verifier(t)})
	require.ErrorIs(t, err, errBroken)
	var tamper *audit.TamperError
	require.NotErrorAs(t, err, &tamper)
}

var errBroken = errors.New("disk on fire")

type broken struct{ source }

func (broken) Tiles(_ context.Context, _ int, _ int64, _ int) ([]audit.Tile, error) {
	return nil, errBroken
}

// BenchmarkVerify is what an entry costs to verify, seal and tree, without the
// database.
func BenchmarkVerify(b *testing.B) {
	const n = 20000
	m := newMemory(b).grow(b, n, n)
	b.ReportAllocs()
	for b.Loop() {
		_, err := verify(b, m, withKeys)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
}
