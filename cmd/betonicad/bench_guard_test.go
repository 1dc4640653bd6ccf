package main_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmarks of the guard compare it with what would be there without it, in turns,
// in one run, on the same cores; of the turns of each, the median counts. The guard is a
// process of its own; the application and its callers are this one.

// BenchmarkGuardHTTP is kept-alive HTTP/1.1 with answers of 1 KiB, from 16 callers over a
// connection each: plain to the application, by TLS to the application, and by mutual
// TLS through a guard before it, with records that are durable within a second, and
// durable before the answer ends; and through a bare relay, which shows what any process in
// between costs on the same cores. An application that does nothing shows what a guard
// costs; one that waits 10 ms, as for its database, what one sees of it.
//
// "Without a guard" can be said of two applications: the one that was there before, which
// has no TLS at all (direct, and the figures in %), and the one that would do by itself what
// a guard spares it, which ends mutual TLS (tls, and the figures in tls-%), if without any
// judgement or record. Both are there. Callers, application and guard share the cores, so
// that a guard's processor time is lost to the others: a hop that costs as much as caller
// and application together halves what they have.
func BenchmarkGuardHTTP(b *testing.B) {
	for _, wait := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run("application="+wait.String(), func(b *testing.B) {
			w := newWard(b)
			pump := w.as(w.enrol("device", "pump"))
			app := w.application(wait)
			lazy := w.before(w.enrol("service", "lazy"), "http://"+app.plain, "--lazy-records")
			durable := w.before(w.enrol("service", "durable"), "http://"+app.plain)
			bare := w.bareRelay(b, w.enrol("service", "bare"), app.plain)
			bare.tls = pump
			paths := []path{
				{name: "direct", address: app.plain},
				{name: "tls", address: app.secure, tls: pump},
				bare,
				{name: "lazy", address: lazy.address(), tls: pump, guards: []*sentry{lazy}},
				{name: "durable", address: durable.address(), tls: pump, guards: []*sentry{durable}},
			}
			reportPaths(b, paths)
		})
	}
}

// BenchmarkGuardPair is wrk, which has no client certificate, with 16 connections to
// nginx, and to nginx through a guard beside it and a guard before nginx.
func BenchmarkGuardPair(b *testing.B) {
	w := newWard(b)
	backend := w.nginx()
	server := w.before(w.enrol("service", "web"), "http://"+backend, "--lazy-records")
	client := w.beside(w.enrol("device", "pump"), "https", server, "--lazy-records")
	var direct, guarded []float64
	for range benchRounds {
		direct = append(direct, wrk(b, backend))
		guarded = append(guarded, wrk(b, client.address()))
	}
	b.ReportMetric(middle(direct), "direct-req/s")
	b.ReportMetric(middle(guarded), "pair-req/s")
	b.ReportMetric(float64(yardstick(b))/float64(time.Microsecond), "verify-µs")
	b.ReportMetric(0, "ns/op")
}

// reportPaths measures the paths, of which the first is what the others are compared with,
// and those by a process in between with the one named tls, too, if there is one.
func reportPaths(b *testing.B, paths []path) {
	figures := measurePaths(b, paths)
	secure := slices.IndexFunc(paths, func(p path) bool { return p.name == "tls" })
	for i, f := range figures {
		b.ReportMetric(f.rate, paths[i].name+"-req/s")
		b.ReportMetric(f.p50, paths[i].name+"-p50-ms")
		b.ReportMetric(f.alone, paths[i].name+"-alone-p50-ms")
		b.ReportMetric(f.cpu, paths[i].name+"-cpu-µs/req")
		if i > 0 {
			b.ReportMetric(100*f.rate/figures[0].rate, paths[i].name+"-%")
		}
		if secure >= 0 && len(paths[i].guards) > 0 {
			b.ReportMetric(100*f.rate/figures[secure].rate, paths[i].name+"-tls-%")
		}
	}
	b.ReportMetric(float64(yardstick(b))/float64(time.Microsecond), "verify-µs")
	b.ReportMetric(0, "ns/op")
}

// as is what a machine without a guard presents.
func (w *ward) as(m machine) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{m.pair(w)}, NextProtos: []string{"http/1.1"}}
}

// An application answers each request with 1 KiB.
type application struct{ plain, secure string }

func (w *ward) application(wait time.Duration) application {
	answer := make([]byte, 1<<10)
	s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if wait > 0 {
			time.Sleep(wait) // of a database
		}
		rw.Write(answer)
	})}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{w.enrol("service", "own").pair(w)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: w.roots,
	})
	require.NoError(w, err)
	go s.Serve(plain)
	go s.Serve(secure)
	w.Cleanup(func() { s.Close() })
	return application{plain.Addr().String(), secure.Addr().String()}
}

// cpuOf is the processor time that this process and the guards of a path have used.
func (p path) cpuOf(b *testing.B) (used time.Duration) {
	pids := []int{os.Getpid()}
	for _, g := range p.guards {
		pids = append(pids, g.pid)
	}
	for _, pid := range pids {
		one, _, err := cpuTime(pid)
		require.NoError(b, err)
		used += one
	}
	return used
}
