package revoke

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A wall clock that jumps by more than five minutes, in either direction, stops
// the signing: one list from the future would make peers refuse the next ones.
func TestClock(t *testing.T) {
	for _, tt := range []struct {
		jump time.Duration
		ok   bool
	}{
		{0, true}, {4 * time.Minute, true}, {-4 * time.Minute, true}, {6 * time.Minute, false}, {-6 * time.Minute, false},
	} {
		wall, run := time.Unix(1_800_000_000, 0), time.Duration(0)
		c := newClock(func() time.Time { return wall }, func() time.Duration { return run })
		wall, run = wall.Add(time.Hour), time.Hour
		_, err := c.Now()
		require.NoError(t, err)
		wall = wall.Add(tt.jump)
		_, err = c.Now()
		if tt.ok {
			require.NoError(t, err, tt.jump)
		} else {
			require.ErrorIs(t, err, ErrClock, tt.jump)
		}
	}
}
