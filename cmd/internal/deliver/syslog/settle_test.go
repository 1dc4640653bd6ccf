package syslog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// unacknowledged returns a link of whose octets the receiver acknowledges one each time.
func unacknowledged(octets int, each time.Duration, stopsAt int) *link {
	begun := time.Now()
	return &link{ended: make(chan struct{}), queue: func() (int, bool) {
		return max(octets-int(time.Since(begun)/each), stopsAt), true
	}}
}

// A receiver that is slow, but goes on acknowledging, is waited for, however long the
// whole of it takes; it is given up when it has acknowledged nothing for as long as it may,
// and not before.
func TestSlowProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		require.NoError(t, unacknowledged(100, 59*time.Second, 0).settle(t.Context(), usual))
		require.Greater(t, time.Since(begun), 98*usual.patience*59/60)

		begun = time.Now()
		err := unacknowledged(100, 59*time.Second, 40).settle(t.Context(), usual)
		require.ErrorContains(t, err, "it acknowledged nothing for 1m0s")
		require.InDelta(t, 60*59*time.Second+usual.patience, time.Since(begun), float64(time.Second))

		begun = time.Now()
		err = unacknowledged(1, 61*time.Second, 0).settle(t.Context(), usual)
		require.ErrorContains(t, err, "it acknowledged nothing")
		require.InDelta(t, usual.patience, time.Since(begun), float64(time.Second))
	})
}
