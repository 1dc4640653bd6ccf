package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A burst of changes runs the hook at most once at a time, and once more for what
// came after it began: the newest state is never left out.
func TestHooksJoinBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var state, seen, runs, running atomic.Int64
		h := newHooks(func(context.Context) error {
			require.EqualValues(t, 1, running.Add(1))
			seen.Store(state.Load()) // what a server reads at its reload
			time.Sleep(time.Second)
			running.Add(-1)
			runs.Add(1)
			return nil
		}, slog.New(slog.DiscardHandler))
		done := make(chan struct{})
		go func() { h.run(ctx); close(done) }()
		for range 100 {
			state.Add(1)
			h.want()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 100, seen.Load())
		require.EqualValues(t, 2, runs.Load())
		cancel()
		<-done
	})
}

// A hook that fails runs again, later and later, until it succeeds; a newer change
// does not wait for that.
func TestHooksTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Time
		good := false
		h := newHooks(func(context.Context) error {
			at = append(at, time.Now())
			if good {
				return nil
			}
			return errors.New("nginx: configuration file test failed")
		}, slog.New(slog.DiscardHandler))
		done := make(chan struct{})
		go func() { h.run(ctx); close(done) }()
		h.want()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Greater(t, len(at), 10)
		require.Less(t, len(at), 40)
		require.GreaterOrEqual(t, at[len(at)-1].Sub(at[len(at)-2]), hookRetryTo/2)

		n := len(at)
		good = true
		h.want()
		synctest.Wait()
		require.Len(t, at, n+1) // at once
		time.Sleep(time.Hour)
		require.Len(t, at, n+1) // and then no more
		cancel()
		<-done
	})
}
