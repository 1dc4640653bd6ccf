package watch

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// BenchmarkWatch is how many entries of the CA's log a watch goes through in a second, on
// one core: it reads and opens them, asks every rule, and records the alerts. Of a hundred
// entries 98 are renewals of 10,000 machines, one is a refusal, and every other hundred has
// a token that is used twice, which is an alert.
func BenchmarkWatch(b *testing.B) {
	const entries, machines, writers = 100_000, 10_000, 64
	c := enrolltest.Open(b, "sqlite:"+filepath.Join(b.TempDir(), "store.db"))
	w := New(Config{Store: c.Store, Registrar: c.Registrar, Name: "ca-1", Memory: 1, Now: c.Now, Log: slog.New(slog.DiscardHandler)})
	s, err := w.begin(b.Context())
	require.NoError(b, err)
	var wg sync.WaitGroup
	for from := range writers {
		wg.Go(func() {
			for n := from; n < entries; n += writers {
				e := happening(n, n%machines, c.Now())
				if err := c.Store.Update(b.Context(), func(*store.Tx) audit.Event { return e }); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var took time.Duration
	for b.Loop() {
		at := s.at[""]
		began := time.Now()
		for more := true; more; {
			more, err = s.round(b.Context())
			require.NoError(b, err)
		}
		took += time.Since(began)
		require.GreaterOrEqual(b, s.at[""]-at, int64(entries), "all of them were read")
	}
	open, err := w.OpenAlerts(b.Context())
	require.NoError(b, err)
	require.NotEmpty(b, open)
	b.ReportMetric(float64(b.N)*entries/took.Seconds(), "entries/s")
	b.ReportMetric(0, "ns/op")
}

func happening(n, machine int, now time.Time) audit.Event {
	path := fmt.Sprintf("device/SN-%d", machine)
	e := audit.Event{
		Action: "certificate.issue", Actor: path, Subject: path, Address: fmt.Sprintf("10.1.%d.%d", machine/250, machine%250), Outcome: "issued",
		Detail: map[string]any{"serial": fmt.Sprintf("%032x", n+1), "proof": fmt.Sprintf("certificate:%032x", n), "ends": now.Add(24 * time.Hour).UTC().Format(time.RFC3339)},
	}
	switch {
	case n%200 == 50:
		e.Action, e.Outcome, e.Detail = "token.reuse", "refused: it was used before", map[string]any{"proof": fmt.Sprintf("token:%032x", n)}
	case n%100 == 0:
		e.Action, e.Outcome = "certificate.refuse", "the policy allows it no such name"
	}
	return e
}
