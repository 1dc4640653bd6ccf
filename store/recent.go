package store

import (
	"context"
	"sync"
	"time"
)

// A recent keeps a count that is work to make. One that takes a moment is made anew
// each time; one that takes longer is given again for a hundred times as long as it
// took, and after that while the next one is being made: only the first is waited for.
type recent[T any] struct {
	mu      sync.Mutex
	value   T
	known   bool
	made    time.Time
	took    time.Duration
	running bool
}

const (
	recentMoment = 10 * time.Millisecond
	recentShare  = 100
)

// get returns the count. What it starts beside is waited for by group.
func (r *recent[T]) get(ctx context.Context, group *sync.WaitGroup, count func(context.Context) (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known || r.took < recentMoment {
		return r.make(ctx, count)
	}
	if !r.running && time.Since(r.made) > recentShare*r.took {
		r.running = true
		group.Go(func() {
			next := recent[T]{}
			_, err := next.make(context.WithoutCancel(ctx), count)
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.running = false; err == nil {
				r.value, r.made, r.took = next.value, next.made, next.took
			}
		})
	}
	return r.value, nil
}

func (r *recent[T]) make(ctx context.Context, count func(context.Context) (T, error)) (T, error) {
	began := time.Now()
	value, err := count(ctx)
	if err == nil {
		r.value, r.known, r.made, r.took = value, true, time.Now(), time.Since(began)
	}
	return value, err
}
