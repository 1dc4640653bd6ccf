package server

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A scrape never waits for a long count: it gets the last one meanwhile, if there is
// one, and has no second one made beside the first. After a failure the last one stays,
// with the error.
func TestCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		n, takes, fails := 0, time.Hour, error(nil)
		c := counted[int]{group: &group, count: func(context.Context) (int, error) {
			time.Sleep(takes) // synctest's clock
			n++
			return n, fails
		}}
		get := func() (int, bool) {
			begin := time.Now()
			value, known, err := c.get()
			require.Equal(t, fails, err)
			require.LessOrEqual(t, time.Since(begin), countWait)
			return value, known
		}
		for range 3 {
			_, known := get()
			require.False(t, known)
		}
		group.Wait()
		require.Equal(t, 1, n)
		value, known := get()
		require.Equal(t, []any{1, true}, []any{value, known})
		group.Wait()
		takes = 0
		value, _ = get()
		require.Equal(t, 3, value, "a short one is there at once")
		fails = errors.New("no database")
		value, known = get()
		require.Equal(t, []any{3, true}, []any{value, known})
	})
}

// What takes long to count takes a hundredth of the time at most, however often it is
// scraped; what takes a moment is of now.
func TestCountedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		n, takes := 0, time.Second
		c := counted[int]{group: &group, keep: true, count: func(context.Context) (int, error) {
			time.Sleep(takes) // synctest's clock
			n++
			return n, nil
		}}
		for range 1000 {
			c.get()
			group.Wait()
			time.Sleep(time.Second)
		}
		require.InDelta(t, 10, n, 1)
		takes = time.Millisecond
		time.Sleep(time.Hour)
		for range 3 {
			was := n
			value, _, _ := c.get()
			require.Equal(t, was+1, value)
		}
	})
}
