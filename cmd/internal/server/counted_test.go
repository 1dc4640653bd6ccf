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
