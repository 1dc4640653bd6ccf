package store

import (
	"context"
	"time"
)

// A pace keeps work in the background small and rare enough that nobody waits for
// it: batches shrink when they take long, which they do where others write too, and
// between two of them there is rest.
type pace struct {
	size int
}

const (
	paceLeast, paceMost = 16, 512 // rows of a batch
	paceTook            = 3 * time.Millisecond
	paceRest            = 10 // times what the batch took
)

// batch returns how many rows the next batch may have.
func (p *pace) batch() int {
	if p.size == 0 {
		p.size = 2 * paceLeast
	}
	return p.size
}

// rest waits after a batch that took so long, or until ctx is done, which is then
// its error.
func (p *pace) rest(ctx context.Context, took time.Duration) error {
	switch {
	case took > paceTook:
		p.size = max(paceLeast, p.size/2)
	case took < paceTook/2:
		p.size = min(paceMost, p.size*2)
	}
	wait := time.NewTimer(min(max(paceRest*took, time.Millisecond), time.Second))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
