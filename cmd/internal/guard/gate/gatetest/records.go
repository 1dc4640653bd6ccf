package gatetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

// Patience is how long a test waits for what must happen.
const Patience = 30 * time.Second

// Records keeps what it is given in memory, unless it is told to fail. It may be used
// concurrently.
type Records struct {
	mu    sync.Mutex
	all   []record.Record
	asked int
	news  chan struct{} // closed when something has changed
	ready error
	keep  func(record.Record) error
}

// NewRecords returns a keeper that does not fail.
func NewRecords() *Records { return &Records{news: make(chan struct{})} }

// Fail sets what Ready says from now on, and what Keep does; nil: it keeps.
func (k *Records) Fail(ready error, keep func(record.Record) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ready, k.keep = ready, keep
}

// Ready says what Fail has set.
func (k *Records) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	k.tell()
	return k.ready
}

// Keep keeps r as a journal does, or fails as Fail has set.
func (k *Records) Keep(_ context.Context, r record.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keep != nil {
		if err := k.keep(r); err != nil {
			return err
		}
	}
	k.all = append(k.all, r.Clean())
	k.tell()
	return nil
}

func (k *Records) tell() {
	close(k.news)
	k.news = make(chan struct{})
}

// All returns the records so far.
func (k *Records) All() []record.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.all)
}

// Of returns those of a kind.
func (k *Records) Of(kind record.Kind) []record.Record {
	return slices.DeleteFunc(k.All(), func(r record.Record) bool { return r.Kind != kind })
}

// Wait returns the records as soon as there are n, which is all that there may be.
func (k *Records) Wait(t testing.TB, n int) []record.Record {
	t.Helper()
	k.until(t, "records", func() bool { return len(k.all) >= n })
	all := k.All()
	require.Len(t, all, n)
	return all
}

// Asked returns when Ready was asked n times.
func (k *Records) Asked(t testing.TB, n int) {
	t.Helper()
	k.until(t, "questions whether records can be kept", func() bool { return k.asked >= n })
}

// Nth waits for the nth record of an operation, from 1 on, and returns it.
func (k *Records) Nth(t testing.TB, operation string, n int) (found record.Record) {
	t.Helper()
	k.until(t, operation, func() bool {
		left := n
		i := slices.IndexFunc(k.all, func(r record.Record) bool {
			if r.Operation == operation {
				left--
			}
			return left == 0
		})
		if i >= 0 {
			found = k.all[i]
		}
		return i >= 0
	})
	return found
}

// until waits until is, which is asked under mu whenever something has changed.
func (k *Records) until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.After(Patience); ; {
		k.mu.Lock()
		news, done := k.news, is()
		k.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-deadline:
			require.FailNow(t, "too few: "+what, "%+v", k.All())
		}
	}
}
