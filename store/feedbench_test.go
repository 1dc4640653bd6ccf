package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A call that revokes one certificate, with other replicas that are idle, until all
// have applied it.
func BenchmarkRevokeReplicas(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := hearers(b, replicas(b, n)...)
			_, err := all[0].revoke()
			require.NoError(b, err)
			believing(b, all)
			var took []time.Duration
			for b.Loop() {
				b.StopTimer()
				path := device(len(took))
				identity(b, all[0].DB, path)
				issued(b, all[0].DB, path)
				b.StartTimer()
				begin := time.Now()
				require.NoError(b, alone(all[0].DB, (*AloneTx).RevokeIdentity, path))
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			for _, p := range []int{50, 99} {
				b.ReportMetric(float64(took[len(took)*p/100].Microseconds()), fmt.Sprintf("µs-p%d", p))
			}
		})
	}
}

// What the feed of idle replicas costs the server and their own process, for five
// seconds each time.
func BenchmarkIdleReplicas(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := replicas(b, n)[0]
			commits := func() (n int64) {
				require.NoError(b, d.reads.row(b.Context(), `SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()`, nil, &n))
				return n
			}
			before, busy, begin := commits(), cpu(b), time.Now()
			for b.Loop() {
				<-time.After(5 * time.Second)
			}
			seconds := time.Since(begin).Seconds()
			b.ReportMetric(float64(commits()-before)/seconds, "transactions/s")
			b.ReportMetric(float64((cpu(b)-busy).Milliseconds())/seconds, "cpu-ms/s")
		})
	}
}
