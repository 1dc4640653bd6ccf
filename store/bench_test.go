package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// The commit path of an enrolment: a token is spent, a certificate and its key
// are recorded, and the log gets an entry. The load is on the same cores.
func BenchmarkUpdate(b *testing.B) {
	for _, engine := range []struct {
		name string
		dsn  func(testing.TB) string
	}{
		{"sqlite", storetest.SQLite},
		{"postgres", func(t testing.TB) string { return storetest.Postgres(t).Database(t) }},
	} {
		for _, callers := range []int{1, 8, 32, 128} {
			b.Run(fmt.Sprintf("%s/%d", engine.name, callers), func(b *testing.B) {
				benchmarkUpdate(b, engine.dsn(b), callers)
			})
		}
	}
}

func benchmarkUpdate(b *testing.B, dsn string, callers int) {
	d := open(b, config(b, dsn))
	identities := make([]string, 1000)
	must(b, d, func(tx *Tx) {
		for i := range identities {
			identities[i] = device(i)
			tx.CreateIdentity(Identity{Path: identities[i], Role: "device", Name: identities[i][7:], State: Active})
		}
	})
	tokens := make([]TokenID, b.N)
	for i := 0; i < b.N; i += 1000 {
		must(b, d, func(tx *Tx) {
			for j := i; j < min(i+1000, b.N); j++ {
				tokens[j] = newToken(tx, 1)
			}
		})
	}
	certs := make([]Certificate, b.N)
	for i := range certs {
		certs[i] = certificate(identities[i%len(identities)])
		certs[i].Token = &tokens[i]
	}
	run := maintained(b, d)
	defer run()

	before, busy := d.Stats(), cpu(b)
	var next atomic.Int64
	var callersDone sync.WaitGroup
	b.ResetTimer()
	for range callers {
		callersDone.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				c := certs[i]
				err := d.Update(b.Context(), func(tx *Tx) audit.Event {
					tx.SpendToken(*c.Token)
					tx.InsertCertificate(c)
					return audit.Event{
						Action: "certificate.issue", Actor: c.Identity, Subject: c.Identity, Address: "10.0.0.1", Outcome: "ok",
						Detail: map[string]any{"serial": c.Serial.String()},
					}
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callersDone.Wait()
	b.StopTimer()
	after := d.Stats()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((cpu(b)-busy).Microseconds())/float64(b.N), "cpu-µs/call")
	b.ReportMetric(float64(after.Calls-before.Calls)/float64(after.Batches-before.Batches), "calls/batch")
	require.GreaterOrEqual(b, d.LogSize(), int64(b.N))
}

// cpu returns the processor time of this process: all of the cost on SQLite, the
// client's part on PostgreSQL.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
