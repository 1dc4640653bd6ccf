package journal

import (
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAppend says how long an entry takes, and what it costs the disk: at 5,000 a
// second from many callers, as they come, and as fast as a number of callers can who each
// wait for the answer.
func BenchmarkAppend(b *testing.B) {
	for _, lazy := range []bool{false, true} {
		name := "durable"
		if lazy {
			name = "lazy"
		}
		b.Run(name+"/paced5000", func(b *testing.B) { paced(b, lazy, 5000, 5*time.Second) })
		for _, callers := range []int{1, 16, 256} {
			b.Run(name+"/callers"+map[int]string{1: "1", 16: "16", 256: "256"}[callers], func(b *testing.B) { waiting(b, lazy, callers, 3*time.Second) })
		}
	}
}

// benched opens a journal on a real disk, where $BETONICA_BENCH_DIR names one.
func benched(b *testing.B, lazy bool) *Journal {
	cfg := config(b)
	if dir := os.Getenv("BETONICA_BENCH_DIR"); dir != "" {
		var err error
		cfg.Dir, err = os.MkdirTemp(dir, "journal")
		require.NoError(b, err)
		b.Cleanup(func() { os.RemoveAll(cfg.Dir) })
	}
	cfg.Lazy = lazy
	return opened(b, cfg)
}

// paced has one caller come after the other at a rate, whether those before are done or
// not.
func paced(b *testing.B, lazy bool, rate int, d time.Duration) {
	j := benched(b, lazy)
	begin := time.Now()
	n := int(d.Seconds() * float64(rate))
	took := make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(at); wait > 0 {
			<-time.After(wait)
		}
		all.Go(func() {
			require.NoError(b, j.Append(b.Context(), event(i)))
			took[i] = time.Since(at)
		})
	}
	all.Wait()
	report(b, j, took, time.Since(begin))
}

func waiting(b *testing.B, lazy bool, callers int, d time.Duration) {
	j := benched(b, lazy)
	begin := time.Now()
	took := make([][]time.Duration, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := 0; time.Since(begin) < d; i++ {
				at := time.Now()
				require.NoError(b, j.Append(b.Context(), event(i)))
				took[c] = append(took[c], time.Since(at))
			}
		})
	}
	all.Wait()
	report(b, j, slices.Concat(took...), time.Since(begin))
}

func report(b *testing.B, j *Journal, took []time.Duration, d time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(float64(len(took))/d.Seconds(), "records/s")
	b.ReportMetric(float64(j.Stats().Syncs)/d.Seconds(), "syncs/s")
	b.ReportMetric(float64(j.Stats().Syncs)/(d.Seconds()*200), "syncs/5ms") // 1 at most, where entries come at a pace
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(0, "ns/op")
	require.NoError(b, j.Close())
	verified(b, j.cfg.Dir)
}
