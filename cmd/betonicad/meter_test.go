package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A meter adds up what a kind of job costs, over one or several runs.
type meter struct {
	b                *testing.B
	d                *bench
	elapsed          time.Duration
	took             []time.Duration
	daemon, postgres time.Duration // processor time
}

func (d *bench) meter(b *testing.B) *meter { return &meter{b: b, d: d} }

// time drives the jobs, and measures them.
func (m *meter) time(clients, jobs int, job func(client, job int) error) {
	daemon, postgres := m.cpu()
	began := time.Now()
	took := m.d.drive(m.b, clients, jobs, job)
	m.elapsed += time.Since(began)
	m.took = append(m.took, took...)
	daemonAfter, postgresAfter := m.cpu()
	m.daemon += daemonAfter - daemon
	m.postgres += postgresAfter - postgres
}

func (m *meter) cpu() (daemon, postgres time.Duration) {
	for _, pid := range append([]int{m.d.pid}, m.d.beside...) {
		used, _, err := cpuTime(pid)
		require.NoError(m.b, err)
		daemon += used
	}
	if m.d.postgres != 0 {
		postgres = cpuOfFamily(m.d.postgres)
	}
	return daemon, postgres
}

// A yardstick is how long this machine took, right after, to verify a signature
// of P-256: shared processors are now fast, now slow, and a figure says little
// without it. The median of 500 is taken.
func yardstick(b *testing.B) time.Duration {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	digest := sha256.Sum256([]byte("yardstick"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(b, err)
	took := make([]time.Duration, 500)
	for i := range took {
		began := time.Now()
		require.True(b, ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature))
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// report says the rate, the latency and the processor time of a certificate.
func (m *meter) report() { m.reportAs("certs") }

// reportAs is report, of jobs that make something else.
func (m *meter) reportAs(what string) {
	jobs := len(m.took)
	slices.Sort(m.took)
	m.b.ReportMetric(float64(jobs)/m.elapsed.Seconds(), what+"/s")
	m.b.ReportMetric(milliseconds(m.took[jobs/2]), "p50-ms")
	m.b.ReportMetric(milliseconds(m.took[jobs*99/100]), "p99-ms")
	m.b.ReportMetric(milliseconds(m.daemon)/float64(jobs), "cpu-ms/"+strings.TrimSuffix(what, "s"))
	m.b.ReportMetric(float64(yardstick(m.b))/float64(time.Microsecond), "verify-µs")
	if m.d.postgres != 0 {
		m.b.ReportMetric(milliseconds(m.postgres)/float64(jobs), "postgres-cpu-ms/cert")
	}
	m.b.ReportMetric(0, "ns/op")
}

// drive lets so many clients share the jobs, and returns how long each job took.
func (d *bench) drive(b *testing.B, clients, jobs int, job func(client, job int) error) []time.Duration {
	took := make([]time.Duration, jobs)
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for client := range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= jobs {
					return
				}
				began := time.Now()
				if errs[client] = job(client, i); errs[client] != nil {
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(b, err, "the daemon said:\n%s", d.log.tail())
	}
	return took
}

// expect makes an error of an answer with another status.
func expect(want int) func(status int, answer []byte, err error) error {
	return func(status int, answer []byte, err error) error {
		if err == nil && status != want {
			return fmt.Errorf("status %d: %s", status, answer)
		}
		return err
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
