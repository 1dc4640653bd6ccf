package agent

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

// However often it fails, the wait is within its span: uniform from 1 s to
// 30 s, 60 s, ... and at most an hour.
func TestBackoffSpans(t *testing.T) {
	now := time.Now()
	longest := make([]time.Duration, 12)
	for range 400 {
		var b backoff
		for i := range longest {
			wait := b.fail(now, errors.New("down"), 0).Sub(now)
			require.GreaterOrEqual(t, wait, minBackoff)
			require.False(t, b.ready(now))
			require.True(t, b.ready(now.Add(wait)))
			longest[i] = max(longest[i], wait)
		}
	}
	for i, got := range longest {
		span := min(time.Duration(float64(firstBackoff)*math.Pow(2, float64(i))), maxBackoff)
		require.LessOrEqual(t, got, span)
		require.Greater(t, got, span*9/10) // of 400, one comes near
	}
	b := backoff{failures: 1 << 40}
	require.LessOrEqual(t, b.fail(now, errors.New("down"), 0).Sub(now), maxBackoff)
}

// A CA's Retry-After counts if it is longer; what is left of the certificate
// bounds both.
func TestBackoffRetryAfter(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name              string
		after, left       time.Duration
		shortest, longest time.Duration
	}{
		{"longer", 5 * time.Hour, 0, 5 * time.Hour, 5 * time.Hour},
		{"shorter", time.Nanosecond, 0, time.Second, 30 * time.Second},
		{"half of what is left", 5 * time.Hour, 2 * time.Hour, time.Hour, time.Hour},
		{"nearly nothing left", 5 * time.Hour, time.Second, time.Second, time.Second},
		{"run out", 5 * time.Hour, -time.Hour, 5 * time.Hour, 5 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b backoff
			p := api.NewProblem(503, api.ProblemUnavailable, "later")
			p.RetryAfter = tt.after
			wait := b.fail(now, p, tt.left).Sub(now)
			require.GreaterOrEqual(t, wait, tt.shortest)
			require.LessOrEqual(t, wait, tt.longest)
		})
	}
}
