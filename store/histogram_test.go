package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// A value that is as large as a bound belongs below it, and one that is larger than
// all of them is counted all the same.
func TestHistogram(t *testing.T) {
	h := newHistogram(float64(time.Second), .001, .01, 1)
	for _, d := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, time.Second, time.Minute} {
		h.add(int64(d))
	}
	require.Equal(t, Histogram{Bounds: []float64{.001, .01, 1}, Counts: []uint64{2, 3, 4}, Count: 5, Sum: 61.003}, h.read())
}

// Each durable transaction is in both histograms once, with the calls that it held;
// one that a crash may lose has no latency worth knowing.
func TestCommitHistograms(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		before := d.Stats()
		for range 3 {
			require.NoError(t, d.Update(t.Context(), func(*Tx) audit.Event { return event() }))
		}
		require.NoError(t, d.Relaxed(t.Context(), func(*RelaxedTx) {}))
		after := d.Stats()
		require.EqualValues(t, 3, after.Commits.Count-before.Commits.Count)
		require.Greater(t, after.Commits.Sum, before.Commits.Sum)
		require.EqualValues(t, 3, after.Sizes.Count-before.Sizes.Count)
		require.InDelta(t, 3, after.Sizes.Sum-before.Sizes.Sum, 0)
	})
}
