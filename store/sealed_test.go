package store

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever comes first keeps his secret, and all others hear that one.
func TestSealed(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		_, err := d.Sealed(t.Context(), "x")
		require.ErrorIs(t, err, ErrNotFound)
		var all sync.WaitGroup
		got := make([][]byte, 8)
		for i := range got {
			all.Go(func() {
				kept, err := d.KeepSealed(t.Context(), "x", []byte{byte(i), 0xff})
				if err == nil {
					got[i] = kept
				}
			})
		}
		all.Wait()
		kept, err := d.Sealed(t.Context(), "x")
		require.NoError(t, err)
		for _, one := range got {
			require.Equal(t, kept, one)
		}
		other, err := d.KeepSealed(t.Context(), "y", []byte("y"))
		require.NoError(t, err)
		require.Equal(t, []byte("y"), other)
	})
}
