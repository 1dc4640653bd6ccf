package enroll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A window's memory is bounded, whoever fills it.
func TestWindowIsBounded(t *testing.T) {
	w := window[int]{limit: 1, length: time.Hour}
	now := time.Now()
	for i := range 3 * maxWindows {
		require.Zero(t, w.count(i, now))
	}
	require.Len(t, w.open, maxWindows)
	require.Zero(t, w.count(-1, now))
	require.Equal(t, time.Hour, w.count(-1, now))
	require.Zero(t, w.count(-1, now.Add(time.Hour)), "a new span")
	require.Zero(t, w.count(-1, now.Add(-time.Hour)), "the clock was set back")
}
