package server

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A scrape never waits for a long count, gets the last one meanwhile, and has what
// takes long counted less often.
func TestCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		n, takes := 0, time.Duration(0)
		c := counted[int]{group: &group, count: func(context.Context) (int, error) {
			time.Sleep(takes) // synctest's clock
			n++
			return n, nil
		}}
		get := func() (int, bool) {
			begin := time.Now()
			value, known, err := c.get()
			require.NoError(t, err)
			require.LessOrEqual(t, time.Since(begin), countWait)
			return value, known
		}
		value, known := get()
		require.True(t, known)
		require.Equal(t, 1, value, "a short count is there at once")
		value, _ = get()
		require.Equal(t, 1, value, "and good for a minute")

		takes = 10 * time.Second
		time.Sleep(countEvery)
		value, _ = get()
		require.Equal(t, 1, value, "a long one comes later")
		group.Wait()
		value, _ = get()
		require.Equal(t, 2, value)
		time.Sleep(countEvery)
		get()
		group.Wait()
		require.Equal(t, 2, n, "at most a twentieth of the time is spent")
		time.Sleep(countShare*takes - countEvery)
		get()
		group.Wait()
		require.Equal(t, 3, n)
	})
}

// Before the first count has ended there is none.
func TestCountedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		c := counted[int]{group: &group, count: func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil }}
		_, known, err := c.get()
		require.NoError(t, err)
		require.False(t, known)
		group.Wait()
		_, known, _ = c.get()
		require.True(t, known)
	})
}
