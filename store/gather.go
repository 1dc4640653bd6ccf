package store

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	mostGathered   = 256             // rows that are asked for at once: it bounds what one answer holds
	gatherPatience = 5 * time.Second // with one query: others wait behind it
)

// A rowKey is what a row is found by: the id of a token, or a serial.
type rowKey = [16]byte

// A gatherer finds rows for many callers with one query, where a query costs a way to the
// database's server and back: those who come while one is on its way share the next. Each
// sees what was committed when it asked. It is as the writer does with writes, and like it
// waits for nobody. The zero gatherer is ready.
//
// Measured with 32 clients of one daemon that enrol machines, on two processors: a query
// each took 150 of PostgreSQL's 330 µs for a certificate, and 90 of our 600.
type gatherer[R any] struct {
	mu      sync.Mutex
	waiting []*question[R]
	asking  bool // somebody takes what waits
}

// A question is a caller that wants a row.
type question[R any] struct {
	ctx      context.Context // of the caller, who goes when it ends
	key      rowKey
	find     finder[R]
	row      R
	err      error
	answered chan struct{} // closed once row and err are final
}

// A finder returns the rows that there are with these keys, of which no two are the same.
type finder[R any] func(ctx context.Context, keys []rowKey) (map[rowKey]R, error)

// get returns the row with this key, or [ErrNotFound]. Others may get the same row: it is
// not to be changed. All callers give the same finder. An end of ctx ends the wait, and not
// the query, if that has begun.
func (g *gatherer[R]) get(ctx context.Context, key rowKey, find finder[R]) (row R, err error) {
	if ctx.Err() != nil {
		return row, context.Cause(ctx)
	}
	q := &question[R]{ctx: ctx, key: key, find: find, answered: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, q)
	idle := !g.asking
	g.asking = true
	g.mu.Unlock()
	if idle {
		go g.ask(context.WithoutCancel(ctx))
	}
	select {
	case <-q.answered:
		return q.row, q.err
	case <-ctx.Done():
		return row, context.Cause(ctx)
	}
}

// ask answers until nobody waits.
func (g *gatherer[R]) ask(ctx context.Context) {
	for {
		runtime.Gosched() // whoever is about to come, comes
		group := g.take()
		if group == nil {
			return
		}
		answer(ctx, group)
	}
}

// take returns questions that wait, of callers who are still there, or nil if there are none,
// and nobody asks any more.
func (g *gatherer[R]) take() []*question[R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(q *question[R]) bool { return q.ctx.Err() != nil })
	group := g.waiting
	if len(group) == 0 {
		g.asking, g.waiting = false, nil
		return nil
	}
	n := min(len(group), mostGathered)
	g.waiting = group[n:len(group):len(group)]
	return group[:n:n]
}

// answer finds all that the questions are about.
func answer[R any](ctx context.Context, group []*question[R]) {
	ctx, cancel := context.WithTimeout(ctx, gatherPatience)
	defer cancel()
	keys := make([]rowKey, 0, len(group))
	asked := make(map[rowKey]bool, len(group))
	for _, q := range group {
		if !asked[q.key] {
			asked[q.key] = true
			keys = append(keys, q.key)
		}
	}
	rows, err := group[0].find(ctx, keys)
	for _, q := range group {
		row, found := rows[q.key]
		switch {
		case err != nil:
			q.err = err
		case found:
			q.row = row
		default:
			q.err = ErrNotFound
		}
		close(q.answered)
	}
}
