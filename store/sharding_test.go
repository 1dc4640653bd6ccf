package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What certificates were once spread over is kept, by issuer, with the time when it
// was first said.
func TestShardings(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		before := time.Now().Add(-time.Millisecond)
		for _, n := range []int{1024, 4, 4} {
			require.NoError(t, d.AddSharding(t.Context(), "aa", n))
		}
		require.NoError(t, d.AddSharding(t.Context(), "bb", 8))
		all, err := d.Shardings(t.Context(), "aa")
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, []int{4, 1024}, []int{all[0].N, all[1].N})
		first := all[0].Since
		require.WithinRange(t, first, before, time.Now())
		require.NoError(t, d.AddSharding(t.Context(), "aa", 4))
		all, err = d.Shardings(t.Context(), "aa")
		require.NoError(t, err)
		require.Equal(t, first, all[0].Since)
		none, err := d.Shardings(t.Context(), "cc")
		require.NoError(t, err)
		require.Empty(t, none)
	})
}
