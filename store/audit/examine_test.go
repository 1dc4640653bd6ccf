package audit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// interrupted is a source whose third page of rows ends otherwise. It notes whether it is
// asked for two things at once.
type interrupted struct {
	audit.Source
	pages int
	third func() error
	busy  bool
	twice bool
}

func (i *interrupted) enter() func() {
	i.twice = i.twice || i.busy // and the race detector sees the rest
	i.busy = true
	return func() { i.busy = false }
}

func (i *interrupted) Records(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	defer i.enter()()
	if i.pages++; i.pages == 3 {
		if err := i.third(); err != nil {
			return nil, err
		}
	}
	return i.Source.Records(ctx, after, limit)
}

func (i *interrupted) Tiles(ctx context.Context, level int, after int64, limit int) ([]audit.Tile, error) {
	defer i.enter()()
	return i.Source.Tiles(ctx, level, after, limit)
}

// A log that cannot be read to its end is no log that was tampered with: Verify returns the
// source's error, or why the context ended, and no report; no goroutine is left. The source
// is asked by one goroutine at a time.
func TestVerifyInterrupted(t *testing.T) {
	m := newMemory(t).grow(t, 3000, 100, 2900)
	m.rows[2000].Leaf[40] ^= 1 // which is not reached
	why := errors.New("why")
	for name, third := range map[string]func(cancel context.CancelCauseFunc) error{
		"unreadable": func(context.CancelCauseFunc) error { return why },
		"cancelled":  func(cancel context.CancelCauseFunc) error { cancel(why); return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := &interrupted{Source: m.source(), third: func() error { return third(cancel) }}
			r, err := audit.Verify(ctx, s, audit.VerifyOptions{Verifier: m.verifier(t), Keyring: audit.NewKeyring(dataKey)})
			require.ErrorIs(t, err, why, name)
			require.Empty(t, r.Findings)
			require.Zero(t, r.Last)
			require.Equal(t, 3, s.pages)
			require.False(t, s.twice)
		})
	}
}

// However many pages there are, and however many are examined at once, the first entry
// that is bad is named, and all of them are, in their order.
func TestVerifyManyPages(t *testing.T) {
	m := newMemory(t).grow(t, 5000, 100, 4900)
	var bad []int64
	for seq := int64(300); seq < 4900; seq += 333 {
		leaf := m.rows[seq-1].Leaf
		leaf[len(leaf)-1] ^= 1
		bad = append(bad, seq)
	}
	for range 3 {
		r, err := verify(t, m, withKeys)
		var first *audit.TamperError
		require.ErrorAs(t, err, &first)
		require.Equal(t, bad[0], first.From)
		var named []int64
		for _, w := range wants(r) {
			require.Equal(t, want{audit.Edited, w.from, w.from}, w)
			named = append(named, w.from)
		}
		require.Equal(t, bad, named)
		require.EqualValues(t, 5000, r.Last)
		require.EqualValues(t, 5000-len(bad), r.Opened)
	}
}
