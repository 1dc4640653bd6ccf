package review_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// BenchmarkRead says how long it takes to gather a week of so many entries
// ($BETONICA_REVIEW, 20,000 by itself), a twentieth of which are refusals of as many
// strangers, on SQLite, and how large the heap became.
func BenchmarkRead(b *testing.B) {
	n := 20_000
	if text := os.Getenv("BETONICA_REVIEW"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	l := newLog(b, sqlite(b))
	l.add(monday.Add(-30*day), renewal(0))
	for done := 0; done < n; done += 1000 {
		all := make([]audit.Event, 0, 1000)
		for i := done; i < min(done+1000, n); i++ {
			if i%20 > 0 {
				all = append(all, renewal(i))
				continue
			}
			all = append(all, audit.Event{Action: "token.refuse", Actor: "stranger", Address: fmt.Sprint("2001:db8::", i), Outcome: fmt.Sprint("unknown token ", i)})
		}
		l.add(monday.Add(time.Duration(done)*time.Millisecond), all...)
	}
	runtime.GC()
	c := l.config(monday.Add(7 * day))
	c.First, c.Last, c.Since, c.Until = 2, int64(n)+1, monday, monday.Add(7*day)
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	most := uint64(0)
	c.Progress = func(int64, int64) {
		metrics.Read(heap)
		most = max(most, heap[0].Value.Uint64())
	}
	for b.Loop() {
		began := time.Now()
		s := l.read(c)
		require.EqualValues(b, n, s.Entries())
		b.ReportMetric(time.Since(began).Seconds(), "s")
		b.ReportMetric(float64(most)/(1<<20), "MiB")
	}
	b.ReportMetric(0, "ns/op")
}
