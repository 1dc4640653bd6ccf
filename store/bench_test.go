package store

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
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
				benchmarkUpdate(b, engine.dsn(b), 1, callers)
			})
		}
	}
}

// The same on several replicas of one PostgreSQL, each with as many of the callers:
// together they are to be no slower than one.
func BenchmarkUpdateReplicas(b *testing.B) {
	for _, replicas := range []int{1, 3} {
		for _, callers := range []int{3, 33, 129} {
			b.Run(fmt.Sprintf("%d/%d", replicas, callers), func(b *testing.B) {
				benchmarkUpdate(b, storetest.Postgres(b).Database(b), replicas, callers)
			})
		}
	}
}

func benchmarkUpdate(b *testing.B, dsn string, replicas, callers int) {
	dbs := make([]*DB, replicas)
	for i := range dbs {
		dbs[i] = open(b, config(b, dsn))
	}
	d := dbs[0]
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
	for _, d := range dbs {
		run := maintained(b, d)
		defer run()
	}

	before, busy, servers := work(dbs), cpu(b), serverCPU(b, d)
	var next atomic.Int64
	var callersDone sync.WaitGroup
	b.ResetTimer()
	for n := range callers {
		d := dbs[n%replicas]
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
	after := work(dbs)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((cpu(b)-busy).Microseconds())/float64(b.N), "cpu-µs/call")
	if d.engine.shared() {
		b.ReportMetric(float64((serverCPU(b, d)-servers).Microseconds())/float64(b.N), "postgres-cpu-µs/call")
	}
	b.ReportMetric(float64(after.Calls-before.Calls)/float64(after.Batches-before.Batches), "calls/batch")
	must(b, d, func(*Tx) {})
	require.GreaterOrEqual(b, d.LogSize(), int64(b.N))
}

// serverCPU returns the processor time of the processes of PostgreSQL that serve the
// database; 0 on SQLite.
func serverCPU(b *testing.B, d *DB) (sum time.Duration) {
	if !d.engine.shared() {
		return 0
	}
	rows, err := d.reads.query(b.Context(), `SELECT pid FROM pg_stat_activity WHERE datname = current_database()`)
	require.NoError(b, err)
	defer rows.Close()
	for rows.Next() {
		var pid int
		require.NoError(b, rows.Scan(&pid))
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(b, err)
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range fields[11:13] { // utime, stime
			ticks, err := strconv.Atoi(field)
			require.NoError(b, err)
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}

// work adds up what the writers have done.
func work(dbs []*DB) (sum Stats) {
	for _, d := range dbs {
		s := d.Stats()
		sum.Calls, sum.Batches = sum.Calls+s.Calls, sum.Batches+s.Batches
	}
	return sum
}

// cpu returns the processor time of this process: all of the cost on SQLite, the
// client's part on PostgreSQL.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
