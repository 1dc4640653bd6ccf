package main_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/storetest"
)

// The benchmarks measure the real daemon, as a process of its own, driven over
// TLS 1.3 with P-256 by a client on the same cores. Each runs once (-benchtime
// 1x) over -certificates certificates and asserts nothing about time.
// Tokens, keys and requests are made before the clock starts.

// A bench is one daemon under measurement.
type bench struct {
	*daemon
	roots    *x509.CertPool
	postgres int   // the process of its server; 0 on SQLite
	beside   []int // the processes of other replicas
}

// eachEngine runs f on a new daemon on SQLite, and on one on PostgreSQL.
func eachEngine(b *testing.B, f func(*testing.B, *bench)) {
	debug.SetGCPercent(400)
	b.Run("sqlite", func(b *testing.B) { f(b, newBench(b, newCA(b))) })
	b.Run("postgres", func(b *testing.B) {
		dsn := storetest.Postgres(b).Database(b)
		d := newBench(b, newCA(b, "--dsn", dsn))
		d.postgres = serverOf(b, dsn)
		f(b, d)
	})
}

func newBench(b *testing.B, dir string, wrapper ...string) *bench {
	return &bench{daemon: serve(b, dir, wrapper...), roots: rootsOf(b, dir)}
}

// serverOf returns the process that has started those that serve connections.
func serverOf(b *testing.B, dsn string) int {
	conn, err := pgx.Connect(b.Context(), dsn)
	require.NoError(b, err)
	defer conn.Close(b.Context())
	var backend int
	require.NoError(b, conn.QueryRow(b.Context(), `SELECT pg_backend_pid()`).Scan(&backend))
	_, server, err := cpuTime(backend)
	require.NoError(b, err)
	return server
}

// BenchmarkEnroll enrols with one-use tokens over kept-alive connections.
func BenchmarkEnroll(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *bench) {
		for _, clients := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
				d.enroll(b, clients, *certificates)
			})
		}
	})
}

// BenchmarkHistory is BenchmarkEnroll in a store that has issued -history
// certificates before.
func BenchmarkHistory(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *bench) {
		d.fill(b, *history)
		b.Run(fmt.Sprintf("certificates=%d/clients=32", *history), func(b *testing.B) {
			d.enroll(b, 32, *certificates)
		})
	})
}

// BenchmarkNewConnection enrols with a new TLS connection each.
func BenchmarkNewConnection(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *bench) {
		b.Run("clients=8", func(b *testing.B) {
			work := d.prepare(b, *certificates)
			m := d.meter(b)
			m.time(8, len(work), func(_, job int) error {
				c, err := dial(d.HTTPS, d.roots)
				if err != nil {
					return err
				}
				defer c.Close()
				return expect(http.StatusCreated)(c.post(api.PathEnroll, work[job].token, work[job].csr))
			})
			m.report()
		})
	})
}

// BenchmarkRenew renews each certificate once, over a connection that was
// opened with it beforehand: some at a time, since the daemon does not wait for
// ever for the first request of a connection.
func BenchmarkRenew(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *bench) {
		b.Run("clients=32", func(b *testing.B) {
			m := d.meter(b)
			for left := *certificates; left > 0; left -= 500 {
				conns := d.connected(b, min(left, 500))
				next := make([]request, len(conns))
				for i := range next {
					next[i] = newRequest(b)
				}
				m.time(32, len(conns), func(_, job int) error {
					return expect(http.StatusCreated)(conns[job].post(api.PathRenew, "", next[job].csr))
				})
				for _, c := range conns {
					c.Close()
				}
			}
			m.report()
		})
	})
}

// BenchmarkSyncs counts how often a certificate makes the daemon wait for the
// disk; what PostgreSQL does is its own.
func BenchmarkSyncs(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("sqlite/clients=%d", clients), func(b *testing.B) {
			trace := filepath.Join(b.TempDir(), "trace")
			d := newBench(b, newCA(b), "strace", "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o", trace, "--")
			work := d.prepare(b, 2000)
			before := syncs(b, trace)
			d.drive(b, clients, len(work), d.enrolling(b, clients, work))
			b.ReportMetric(float64(syncs(b, trace)-before)/float64(len(work)), "syncs/cert")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkMemory is what the daemon holds when it has just started, and after
// it has issued 20,000 certificates to 32 clients.
func BenchmarkMemory(b *testing.B) {
	d := newBench(b, newCA(b))
	idle := residentMiB(b, d.pid)
	d.drive(b, 32, 20_000, d.enrolling(b, 32, d.prepare(b, 20_000)))
	b.ReportMetric(idle, "MiB-idle")
	b.ReportMetric(residentMiB(b, d.pid), "MiB-after-20000")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStart is from the start of the process to the first answer over TLS.
func BenchmarkStart(b *testing.B) { startTimes(b, newCA(b)) }

// enroll measures n enrolments by so many clients at once.
func (d *bench) enroll(b *testing.B, clients, n int) {
	work := d.prepare(b, n)
	job := d.enrolling(b, clients, work)
	m := d.meter(b)
	m.time(clients, n, job)
	m.report()
}

// enrolling returns the job of enrolling work[job], each client over a
// connection of its own that is open already.
func (d *bench) enrolling(b *testing.B, clients int, work []enrolment) func(client, job int) error {
	conns := make([]*conn, clients)
	for i := range conns {
		c, err := dial(d.HTTPS, d.roots)
		require.NoError(b, err)
		b.Cleanup(func() { c.Close() })
		conns[i] = c
	}
	return func(client, job int) error {
		return expect(http.StatusCreated)(conns[client].post(api.PathEnroll, work[job].token, work[job].csr))
	}
}

// prepare makes n tokens through the admin socket, and a request for each.
func (d *bench) prepare(b *testing.B, n int) []enrolment {
	admin := d.admin(b)
	work := make([]enrolment, n)
	d.drive(b, 32, n, func(_, job int) error {
		token, err := admin.CreateToken(b.Context(), adminapi.TokenRequest{Role: "device", Name: "b-" + randomName()})
		work[job] = enrolment{request: newRequest(b), token: token.Secret}
		return err
	})
	return work
}

// connected enrols n machines and returns a connection of each.
func (d *bench) connected(b *testing.B, n int) []*conn {
	work := d.prepare(b, n)
	conns := make([]*conn, n)
	anonymous := make([]*conn, 32)
	for i := range anonymous {
		c, err := dial(d.HTTPS, d.roots)
		require.NoError(b, err)
		defer c.Close()
		anonymous[i] = c
	}
	d.drive(b, len(anonymous), n, func(client, job int) error {
		status, chain, err := anonymous[client].post(api.PathEnroll, work[job].token, work[job].csr)
		if err := expect(http.StatusCreated)(status, chain, err); err != nil {
			return err
		}
		own, err := work[job].certificate(chain)
		if err != nil {
			return err
		}
		conns[job], err = dial(d.HTTPS, d.roots, own)
		return err
	})
	return conns
}
