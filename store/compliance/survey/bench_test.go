package survey_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/report"
	"github.com/betonica/betonica/store/compliance/survey"
)

// BenchmarkSurvey says how long a report takes over so many certificates, and as many
// records of guards ($BETONICA_SURVEY, 20,000 by itself), on SQLite, and how much more
// memory the process had meanwhile.
func BenchmarkSurvey(b *testing.B) {
	n := 20_000
	if text := os.Getenv("BETONICA_SURVEY"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	c := enrolltest.New(b)
	keepWell(b, c.Store)
	fillCertificates(b, c, n)
	fillRecords(b, c, n)
	_, err := c.Store.SignCheckpoint(b.Context())
	require.NoError(b, err)
	runtime.GC()
	for b.Loop() {
		stop := peak()
		began := time.Now()
		f, evidence, err := survey.Read(b.Context(), survey.Config{Store: c.Store, Now: c.Now(), TrustDomain: enrolltest.TrustDomain, Profile: compliance.Current})
		require.NoError(b, err)
		read := time.Since(began)
		p, err := compliance.Checks().Profile("")
		require.NoError(b, err)
		files, err := report.Write(report.Input{Run: compliance.Judge(compliance.Checks(), p, f), Facts: f, Evidence: evidence})
		require.NoError(b, err)
		require.NotEmpty(b, files)
		b.ReportMetric(time.Since(began).Seconds(), "s")
		b.ReportMetric(read.Seconds(), "s-read")
		b.ReportMetric(stop(), "MiB-more")
		require.EqualValues(b, n, f.Certificates.Live)
		require.EqualValues(b, n, f.Access.Records)
	}
	b.ReportMetric(0, "ns/op")
}

// keepWell has the store kept as the daemon keeps it until the benchmark ends. Without, the
// write-ahead log of a million certificates would be 3 GiB, and to look every page up in it
// a sixth of the survey.
func keepWell(b *testing.B, s *store.DB) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() { cancel(); require.NoError(b, <-done) })
}

// peak measures the heap until what it returns is called, which says by how much it grew.
func peak() func() float64 {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	var most atomic.Uint64
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most.Store(max(most.Load(), now.HeapInuse))
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() float64 {
		close(done)
		wg.Wait()
		return (float64(most.Load()) - float64(before.HeapInuse)) / (1 << 20)
	}
}

// fillCertificates puts n certificates on record, ten of each identity. They have keys of
// their own, and one content.
func fillCertificates(b *testing.B, c *enrolltest.CA, n int) {
	w := world{c, b}
	der := selfSigned(b, enrolltest.NewKey(b))
	policy, err := w.Store.CurrentPolicy(b.Context())
	require.NoError(b, err)
	var left atomic.Int64
	left.Store(int64(n / 10))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := left.Add(-1); i >= 0; i = left.Add(-1) {
				path := fmt.Sprintf("device/sn-%07d", i)
				err := w.Store.Update(b.Context(), func(tx *store.Tx) audit.Event {
					tx.CreateIdentity(store.Identity{Path: path, Role: "device", Name: path[7:], State: store.Active, Owner: "icu"})
					for range 10 {
						one := store.Certificate{
							Issuer: c.Authority.IssuerID(), Identity: path, NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour), DER: der,
							Method: "token", Revision: 1, Policy: policy.Version,
						}
						binary.BigEndian.PutUint64(one.Serial[:], uint64(time.Now().UnixMilli())<<16)
						rand.Read(one.Serial[6:])
						rand.Read(one.SPKI[:])
						tx.InsertCertificate(one)
					}
					return audit.Event{Action: "certificate.issue", Actor: path, Subject: path, Outcome: "ok"}
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// fillRecords has four guards ship n records of a thousand machines.
func fillRecords(b *testing.B, c *enrolltest.CA, n int) {
	w := world{c, b}
	digest := fmt.Sprintf("%064x", 7)
	for g := range 4 {
		guard := w.guard(fmt.Sprintf("gateway/gw-%d", g))
		for done := 0; done < n/4; done += 500 {
			events := make([]audit.Event, min(500, n/4-done))
			for i := range events {
				caller := fmt.Sprintf("spiffe://hospital.example/device/sn-%07d", (done+i)%1000)
				events[i] = w.access("request", caller, "allowed", "serial", fmt.Sprintf("%032x", (done+i)%1000), "rule", "pumps-report", "operation", "POST",
					"resource", "Observation", "link", fmt.Sprintf("%032x", done), "number", strconv.Itoa(i), "request", digest, "response", digest, "key", digest, "status", 201, "in", 412, "out", 90)
			}
			guard.ship(events...)
		}
	}
}
