package audit_test

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "hospital.example/log"

// A memory is a log in slices, each sorted by its key: what store does with
// tables, and what an attacker who owns the tables can edit at will.
type memory struct {
	rows     []audit.Record
	tiles    []audit.Tile
	notes    []audit.SignedCheckpoint
	evidence []byte

	tree   audit.Tree
	sealer *audit.Sealer
	signer note.Signer
}

func newMemory(t testing.TB) *memory {
	signer, err := keys.Signer(origin)
	require.NoError(t, err)
	return &memory{sealer: audit.NewSealer(keys, dataKey), signer: signer}
}

// grow appends n entries and, after each number in checkpoints, a checkpoint.
func (m *memory) grow(t testing.TB, n int, checkpoints ...int64) *memory {
	for range n {
		m.append(t, audit.Event{Action: "certificate.issue", Actor: "operator/anna", Subject: "device/" + time.Duration(m.tree.Size()).String(), Outcome: "ok"})
		if slices.Contains(checkpoints, m.tree.Size()) {
			m.checkpoint(t)
		}
	}
	return m
}

func (m *memory) append(t testing.TB, e audit.Event) {
	seq := m.tree.Size() + 1
	rec, err := m.sealer.Seal(seq, day.Add(time.Duration(seq)*time.Second), e)
	require.NoError(t, err)
	m.rows = append(m.rows, rec)
	m.tiles = append(m.tiles, m.tree.Append(rec.Hash)...)
}

func (m *memory) checkpoint(t testing.TB) {
	c := checkpoint.Checkpoint{Origin: origin, Size: m.tree.Size(), Hash: m.tree.Hash()}
	text, err := checkpoint.Sign(c, m.signer)
	require.NoError(t, err)
	m.notes = append(m.notes, audit.SignedCheckpoint{Size: c.Size, At: day, Note: text})
	m.evidence = append(m.evidence, audit.EvidenceNote(text)...)
}

// clone is a copy of the database, as thieves and backups take one.
func (m *memory) clone() *memory {
	c := *m
	c.rows, c.tiles, c.notes = slices.Clone(m.rows), slices.Clone(m.tiles), slices.Clone(m.notes)
	for i := range c.rows {
		c.rows[i].Leaf, c.rows[i].Terms = slices.Clone(c.rows[i].Leaf), slices.Clone(c.rows[i].Terms)
	}
	for i := range c.tiles {
		c.tiles[i].Hashes = slices.Clone(c.tiles[i].Hashes)
	}
	c.evidence = slices.Clone(m.evidence)
	c.tree = *m.tree.Clone()
	return &c
}

// rehash makes every hash and every tile anew from the leaves, as a thorough
// attacker does.
func (m *memory) rehash() {
	m.tree, m.tiles = audit.Tree{}, nil
	for i := range m.rows {
		m.rows[i].Hash = tlog.RecordHash(m.rows[i].Leaf)
		m.tiles = append(m.tiles, m.tree.Append(m.rows[i].Hash)...)
	}
}

// source returns m as a database with its indexes intact would show it.
func (m *memory) source() audit.Source {
	slices.SortStableFunc(m.rows, func(a, b audit.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(m.tiles, func(a, b audit.Tile) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.N, b.N))
	})
	slices.SortStableFunc(m.notes, func(a, b audit.SignedCheckpoint) int { return cmp.Compare(a.Size, b.Size) })
	return source{m}
}

func (m *memory) verifier(t testing.TB) note.Verifier {
	vkey, err := keys.VerifierKey(origin)
	require.NoError(t, err)
	v, err := checkpoint.NewVerifier(vkey)
	require.NoError(t, err)
	return v
}

type source struct{ *memory }

func (s source) Records(_ context.Context, after int64, limit int) ([]audit.Record, error) {
	return page(s.rows, after, limit, func(r audit.Record) int64 { return r.Seq }), nil
}

func (s source) Checkpoints(_ context.Context, after int64, limit int) ([]audit.SignedCheckpoint, error) {
	return page(s.notes, after, limit, func(c audit.SignedCheckpoint) int64 { return c.Size }), nil
}

func (s source) Tiles(_ context.Context, level int, after int64, limit int) ([]audit.Tile, error) {
	var tiles []audit.Tile
	for _, t := range s.tiles {
		if t.Level == level {
			tiles = append(tiles, t)
		}
	}
	return page(tiles, after, limit, func(t audit.Tile) int64 { return t.N }), nil
}

func (s source) Hashes(_ context.Context, after, to int64) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, r := range page(s.rows, after, math.MaxInt, func(r audit.Record) int64 { return r.Seq }) {
		if r.Seq <= to {
			hashes = append(hashes, r.Hash)
		}
	}
	return hashes, nil
}

func page[T any](all []T, after int64, limit int, key func(T) int64) []T {
	i, _ := slices.BinarySearchFunc(all, after, func(x T, after int64) int {
		if key(x) <= after {
			return -1
		}
		return 1
	})
	return all[i:min(len(all), i+min(limit, len(all)))]
}
