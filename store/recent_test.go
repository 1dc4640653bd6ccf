package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A quick count is made each time. A slow one is made at most a hundredth of the time,
// beside those who ask, and an error leaves the last one standing.
func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var quick, slow recent[int]
		var group sync.WaitGroup
		var made atomic.Int64
		var failed error
		count := func(takes time.Duration) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				time.Sleep(takes)
				return int(made.Add(1)), failed
			}
		}
		for want := range 3 {
			n, err := quick.get(t.Context(), &group, count(time.Millisecond))
			require.NoError(t, err)
			require.Equal(t, want+1, n)
		}
		made.Store(0)
		ask := func() int {
			began := time.Now()
			n, err := slow.get(t.Context(), &group, count(time.Second))
			require.NoError(t, err)
			if made.Load() > 1 {
				require.Zero(t, time.Since(began), "nobody waits for the next one")
			}
			return n
		}
		require.Equal(t, 1, ask())
		time.Sleep(99 * time.Second)
		require.Equal(t, 1, ask())
		group.Wait()
		require.EqualValues(t, 1, made.Load())
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, ask())
		require.Equal(t, 1, ask())
		group.Wait()
		require.Equal(t, 2, ask())
		failed = errors.New("no answer")
		time.Sleep(200 * time.Second)
		require.Equal(t, 2, ask())
		group.Wait()
		require.Equal(t, 2, ask())
		group.Wait()
	})
}
