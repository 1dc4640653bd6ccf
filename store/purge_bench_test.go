package store

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// How long 8 callers wait for their enrolments, alone and beside a run that removes
// what has left its retention: the second must not be twice the first.
func BenchmarkPurge(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkPurge(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkPurge(b, storetest.Postgres(b).Database(b)) })
}

func benchmarkPurge(b *testing.B, dsn string) {
	const old, calls, callers = 30_000, 4000, 8
	d := open(b, config(b, dsn))
	defer maintained(b, d)()
	identity(b, d, "device/a")
	for range old / 500 {
		must(b, d, func(tx *Tx) {
			for range 500 {
				c := certificate("device/a")
				c.NotAfter = time.Now().Add(-200 * day)
				tx.InsertCertificate(c)
			}
		})
	}
	measure := func(calls int) (p99 float64) {
		took := make([]time.Duration, calls*callers)
		var wg sync.WaitGroup
		for n := range callers {
			wg.Go(func() {
				for i := range calls {
					c := certificate("device/a")
					began := time.Now()
					if err := update(d, func(tx *Tx) { tx.InsertCertificate(c) }); err != nil {
						b.Error(err)
					}
					took[n*calls+i] = time.Since(began)
				}
			})
		}
		wg.Wait()
		slices.Sort(took)
		return took[len(took)*99/100].Seconds() * 1000
	}
	b.ReportMetric(0, "ns/op")
	for range b.N {
		measure(calls / callers / 4) // warm
		b.ReportMetric(measure(calls/callers), "p99-ms-alone")
		ctx, cancel := context.WithCancel(b.Context())
		var purge sync.WaitGroup
		purge.Go(func() { d.Purge(ctx, time.Now()) })
		b.ReportMetric(measure(calls/callers), "p99-ms-beside")
		cancel()
		purge.Wait()
		var left int
		require.NoError(b, d.reads.db.QueryRow(`SELECT COUNT(*) FROM certificates WHERE not_after < $1`, time.Now().Add(-100*day).UnixMilli()).Scan(&left))
		b.ReportMetric(float64(old-left), "purged-meanwhile")
	}
}
