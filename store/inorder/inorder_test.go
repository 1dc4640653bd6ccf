package inorder_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/inorder"
)

// A sheet is a page of the tests: its number, and what a worker made of it.
type sheet struct{ n, square int }

// A press is a Line of n pages. Its work on the first pages takes longest, so that the last
// are done first. It runs in a bubble of synctest, which also sees whether a goroutine stays.
type press struct {
	inorder.Line[sheet]
	read  int
	taken []int
	most  int // pages that were read and not taken
}

func newPress(n int) *press {
	p := &press{}
	p.Workers = 4
	p.Read = func(_ context.Context, page *sheet) (bool, error) {
		p.read++
		p.most = max(p.most, p.read-len(p.taken))
		*page = sheet{n: p.read}
		return p.read < n, nil
	}
	p.Worker = func() func(*sheet) {
		return func(page *sheet) {
			time.Sleep(time.Duration(n-page.n) * time.Second)
			page.square = page.n * page.n
		}
	}
	p.Take = func(page *sheet) error {
		p.taken = append(p.taken, page.square)
		return nil
	}
	return p
}

// Pages are taken in the order in which they were read, each after it was worked on and
// once, and no more of them are in memory than was said.
func TestOrder(t *testing.T) {
	for _, n := range []int{1, 2, 5, 6, 7, 100} {
		synctest.Test(t, func(t *testing.T) {
			p := newPress(n)
			require.NoError(t, p.Run(t.Context()))
			var want []int
			for i := range n {
				want = append(want, (i+1)*(i+1))
			}
			require.Equal(t, want, p.taken)
			require.LessOrEqual(t, p.most, 6)
		})
	}
}

// As many pages are worked on at once as there are workers.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(40)
		p.Worker = func() func(*sheet) { return func(*sheet) { time.Sleep(time.Second) } }
		began := time.Now()
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

// A worker's state is its own: none is called for two pages at once.
func TestWorkersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(50)
		made := 0
		p.Worker = func() func(*sheet) {
			made++
			busy, sum := false, 0
			return func(page *sheet) {
				require.False(t, busy)
				busy = true
				sum += page.n
				time.Sleep(time.Duration(page.n%3) * time.Second)
				busy = false
			}
		}
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, 4, made)
	})
}

// Reading and taking are never done at once.
func TestOneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(20)
		busy := false
		alone := func() {
			require.False(t, busy)
			busy = true
			time.Sleep(time.Second)
			busy = false
		}
		read, take := p.Read, p.Take
		p.Read = func(ctx context.Context, page *sheet) (bool, error) { alone(); return read(ctx, page) }
		p.Take = func(page *sheet) error { alone(); return take(page) }
		require.NoError(t, p.Run(t.Context()))
		require.Len(t, p.taken, 20)
	})
}

// The first page that is not taken ends it: none after it is, though others were done
// before, and no goroutine is left.
func TestTakeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(100)
		bad := errors.New("bad page")
		var working atomic.Int64
		p.Worker = func() func(*sheet) {
			return func(page *sheet) {
				working.Add(1)
				time.Sleep(time.Duration(page.n) * time.Second)
				page.square = page.n * page.n
				working.Add(-1)
			}
		}
		take := p.Take
		p.Take = func(page *sheet) error {
			if page.n >= 7 {
				return errors.Join(bad, take(page))
			}
			return take(page)
		}
		require.ErrorIs(t, p.Run(t.Context()), bad)
		require.Equal(t, []int{1, 4, 9, 16, 25, 36, 49}, p.taken)
		require.Zero(t, working.Load())
	})
}

// What was read before reading failed is taken, and then the error is returned; one of a
// page before it comes first.
func TestReadFails(t *testing.T) {
	gone, bad := errors.New("gone"), errors.New("bad page")
	for _, sooner := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPress(100)
			read, take := p.Read, p.Take
			p.Read = func(ctx context.Context, page *sheet) (bool, error) {
				if p.read == 9 {
					return true, gone
				}
				return read(ctx, page)
			}
			p.Take = func(page *sheet) error {
				if sooner && page.n == 8 {
					return bad
				}
				return take(page)
			}
			err := p.Run(t.Context())
			if sooner {
				require.ErrorIs(t, err, bad)
				require.Len(t, p.taken, 7)
				return
			}
			require.ErrorIs(t, err, gone)
			require.Len(t, p.taken, 9)
		})
	}
}

// The end of the context ends it between two pages, and says why.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the operator pressed Ctrl-C")
		p := newPress(100)
		take := p.Take
		p.Take = func(page *sheet) error {
			if page.n == 5 {
				cancel(why)
			}
			return take(page)
		}
		require.ErrorIs(t, p.Run(ctx), why)
		require.Len(t, p.taken, 5)

		p = newPress(100)
		require.ErrorIs(t, p.Run(ctx), why)
		require.Zero(t, p.read)
	})
}
