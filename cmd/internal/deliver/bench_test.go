package deliver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/fhir"
	"github.com/betonica/betonica/cmd/internal/deliver/file"
	"github.com/betonica/betonica/cmd/internal/deliver/webhook"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

const delivered = 20_000

// BenchmarkDeliver says how many entries a second reach a receiver on this host that does
// nothing with them, out of a log of 20,000 on SQLite.
func BenchmarkDeliver(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b))
	defer w.Close()
	w.record("certificate.issue", delivered)
	var posted atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/fhir" {
			posted.Add(1)
			return
		}
		n := bytes.Count(body, []byte(`"resourceType":"AuditEvent"`))
		posted.Add(int64(n))
		answers := bytes.TrimSuffix(bytes.Repeat([]byte(`{"response":{"status":"201"}},`), n), []byte(","))
		fmt.Fprintf(out, `{"resourceType":"Bundle","type":"batch-response","entry":[%s]}`, answers)
	}))
	defer s.Close()
	secret := filepath.Join(b.TempDir(), "secret")
	require.NoError(b, os.WriteFile(secret, []byte("correct horse battery staple"), 0o600))
	for name, open := range map[string]func() (deliver.Sink, error){
		"webhook": func() (deliver.Sink, error) {
			return webhook.New(webhook.Config{URL: s.URL, SecretFile: secret, Now: time.Now})
		},
		"fhir": func() (deliver.Sink, error) { return fhir.New(fhir.Config{URL: s.URL + "/fhir"}) },
		"file": func() (deliver.Sink, error) { return file.New(filepath.Join(b.TempDir(), "audit.jsonl")) },
	} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				sink, err := open()
				require.NoError(b, err)
				outlet := outlet(fmt.Sprint(name, i), sink)
				began := time.Now()
				stop := start(b, w.engine(w.DB, outlet))
				for at := int64(0); at < delivered; time.Sleep(time.Millisecond) {
					at, err = w.Delivered(context.Background(), outlet.Name, store.OwnLog)
					require.NoError(b, err)
				}
				b.ReportMetric(delivered/time.Since(began).Seconds(), "entries/s")
				stop()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	require.Positive(b, posted.Load())
}

// BenchmarkDown says how much memory four sinks that take nothing cost while 20,000
// entries are recorded.
func BenchmarkDown(b *testing.B) {
	for range b.N {
		w := newWorld(b, storetest.SQLite(b))
		w.record("certificate.issue", 1000)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var outlets []deliver.Outlet
		for i := range 4 {
			down := &receiver{}
			down.answer(func([]deliver.Record) (int, error) { return 0, errDown })
			outlets = append(outlets, outlet(fmt.Sprint("down", i), down))
		}
		stop := start(b, w.engine(w.DB, outlets...))
		w.record("certificate.issue", delivered)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(max(0, float64(after.HeapInuse)-float64(before.HeapInuse))/(1<<20), "MiB-more")
		stop()
		require.NoError(b, w.Close())
	}
	b.ReportMetric(0, "ns/op")
}
