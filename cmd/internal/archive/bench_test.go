package archive_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// BenchmarkReceive says how many records a second the CA takes on SQLite, from four guards
// that each bring one batch after the other.
func BenchmarkReceive(b *testing.B) {
	db := enrolltest.New(b).Store
	machines := []string{"gateway/a", "gateway/b", "gateway/c", "gateway/d"}
	var journals []*journal.Journal
	records := 0
	for _, name := range machines {
		cfg := journal.Config{Dir: filepath.Join(b.TempDir(), "journal"), Identity: "test.example/" + name, Certificate: certificate(b), Lazy: true}
		j, err := journal.Open(cfg)
		require.NoError(b, err)
		for n := range 20_000 {
			require.NoError(b, j.Append(context.Background(), audit.Event{Action: "access.request", Actor: name, Subject: "pacs", Detail: map[string]any{
				"n": n, "guard": "spiffe://test.example/" + name, "resource": "Observation", "route": "fhir", "request": digest, "response": digest, "key": digest,
			}}))
		}
		require.NoError(b, j.Close())
		j, err = journal.Open(cfg)
		require.NoError(b, err)
		journals = append(journals, j)
		records += int(j.Stats().Signed)
	}
	begin := time.Now()
	var all sync.WaitGroup
	for i, j := range journals {
		all.Go(func() {
			for ends := (journal.Ends{}); ends.Next <= j.Stats().Signed; {
				batch, err := j.Batch(b.Context(), ends)
				require.NoError(b, err)
				ends, err = archive.Receive(b.Context(), db, archive.Bounds{}, archive.Sender{Identity: machines[i]}, batch)
				require.NoError(b, err)
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(records)/time.Since(begin).Seconds(), "records/s")
	b.ReportMetric(0, "ns/op")
	for _, j := range journals {
		require.NoError(b, j.Close())
	}
}

const digest = "1f3870be274f6c49b3e31a0c6728957f1f3870be274f6c49b3e31a0c6728957f"
