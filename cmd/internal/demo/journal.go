package demo

import (
	"context"
	"sync"
)

// A journal keeps what a machine noticed, for whoever asks later. Its methods may
// be called concurrently.
type journal struct {
	mu    sync.Mutex
	all   []Event
	grown chan struct{} // closed, and replaced, with each event
}

func newJournal() *journal { return &journal{grown: make(chan struct{})} }

func (j *journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, e)
	close(j.grown)
	j.grown = make(chan struct{})
}

// after returns the events from number n on, and waits for one.
func (j *journal) after(ctx context.Context, n int) ([]Event, error) {
	for {
		j.mu.Lock()
		news, grown := j.all[min(n, len(j.all)):], j.grown
		j.mu.Unlock()
		if len(news) > 0 {
			return news, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
