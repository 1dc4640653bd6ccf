package main_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benchStream is how much goes through in one turn.
const benchStream = 256 << 20

// BenchmarkGuardTCP is one stream to an application, and one from it, through a guard
// and through stunnel, which asks for a certificate as the guard does and knows nothing
// of rules and records. The cipher is what the two agree on with a client of Go.
func BenchmarkGuardTCP(b *testing.B) {
	w := newWard(b)
	pump := w.as(w.enrol("device", "pump"))
	app := w.streams()
	service := w.enrol("service", "db")
	ways := []path{
		{name: "direct", address: app},
		{name: "stunnel", address: w.stunnel(service, app), tls: pump},
		{name: "guard", address: w.before(service, "tcp://"+app).address(), tls: pump},
	}
	for _, to := range []bool{true, false} {
		rates := make([][]float64, len(ways))
		for range benchRounds {
			for i, p := range ways {
				rates[i] = append(rates[i], p.stream(b, to))
			}
		}
		direction := map[bool]string{true: "up", false: "down"}[to]
		for i, p := range ways {
			b.ReportMetric(middle(rates[i]), p.name+"-"+direction+"-MB/s")
		}
		b.ReportMetric(100*middle(rates[2])/middle(rates[1]), direction+"-%-of-stunnel")
	}
	b.ReportMetric(float64(yardstick(b))/float64(time.Microsecond), "verify-µs")
	b.ReportMetric(0, "ns/op")
}

// streams starts an application that takes a stream if the first byte is 'u', and sends
// one otherwise; it ends what it is done with.
func (w *ward) streams() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	w.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				first := make([]byte, 1)
				if _, err := io.ReadFull(c, first); err != nil {
					return
				}
				if first[0] == 'u' {
					n, _ := io.CopyN(struct{ io.Writer }{io.Discard}, c, benchStream)
					fmt.Fprintf(c, "%d", n)
					return
				}
				pour(c)
			}()
		}
	}()
	return l.Addr().String()
}

// pour writes a stream.
func pour(c io.Writer) error {
	block := make([]byte, 64<<10)
	for range benchStream / len(block) {
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	return nil
}

// stream returns how many megabytes went through in a second.
func (p path) stream(b *testing.B, to bool) float64 {
	c := p.open(b)
	defer c.Close()
	began := time.Now()
	if to {
		_, err := c.Write([]byte("u"))
		require.NoError(b, err)
		require.NoError(b, pour(c))
		answer := make([]byte, len(fmt.Sprint(benchStream)))
		_, err = io.ReadFull(c, answer)
		require.NoError(b, err)
		require.Equal(b, fmt.Sprint(benchStream), string(answer))
	} else {
		_, err := c.Write([]byte("d"))
		require.NoError(b, err)
		_, err = io.CopyN(struct{ io.Writer }{io.Discard}, c, benchStream)
		require.NoError(b, err)
	}
	return benchStream / 1e6 / time.Since(began).Seconds()
}

// stunnel starts one before an application, as a machine.
func (w *ward) stunnel(m machine, backend string) string {
	at := "127.0.0.1:" + freePort(w)
	conf := filepath.Join(w.TempDir(), "stunnel.conf")
	require.NoError(w, os.WriteFile(conf, []byte(fmt.Sprintf(`
foreground = yes
pid =
debug = warning
[app]
accept = %s
connect = %s
cert = %[3]s/cert.pem
key = %[3]s/key.pem
CAfile = %[3]s/roots.pem
verifyChain = yes
requireCert = yes
`, at, backend, m.dir+"/current")), 0o600))
	p, err := begin(exec.Command(program(w, "stunnel4"), conf))
	require.NoError(w, err)
	w.Cleanup(func() { p.stop() })
	require.Eventually(w, func() bool { return reachable(at) }, patience, 5*time.Millisecond, "%s", p.log)
	return at
}

// BenchmarkGuardIdle is what a guard holds before an application of HTTP and before one
// of plain TCP while 10,000 callers are connected by TLS, each has had an answer, and
// none asks for anything; before plain TCP as many of them as files may be open.
func BenchmarkGuardIdle(b *testing.B) {
	var limit syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, scheme := range []string{"http", "tcp"} {
		b.Run(scheme, func(b *testing.B) {
			callers := 10_000
			if scheme == "tcp" { // each has a connection to the application, too
				callers = min(callers, int(limit.Max-1000)/2)
			}
			w := newWard(b)
			app := w.application(0)
			g := w.before(w.enrol("service", "web"), scheme+"://"+app.plain, "--max-connections", "20000", "--max-per-address", "20000", "--lazy-records")
			p := path{address: g.address(), tls: w.as(w.enrol("device", "pump"))}
			if scheme == "tcp" {
				p.tls.NextProtos = nil
			}
			p.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			g.holdsIdle(b, callers, func() (io.Closer, error) {
				c := p.open(b)
				return c, c.get()
			})
		})
	}
}

// holdsIdle reports what a guard holds while so many callers are connected, and ask for
// nothing more.
func (s *sentry) holdsIdle(b *testing.B, callers int, open func() (io.Closer, error)) {
	before, began := residentMiB(b, s.pid), time.Now()
	all, errs := make([]io.Closer, callers), make([]error, 64)
	var opening sync.WaitGroup
	for worker := range errs {
		opening.Go(func() {
			for i := worker; i < callers && errs[worker] == nil; i += len(errs) {
				all[i], errs[worker] = open()
			}
		})
	}
	opening.Wait()
	require.NoError(b, errors.Join(errs...))
	b.ReportMetric(float64(callers)/time.Since(began).Seconds(), "handshakes/s")
	b.ReportMetric(float64(callers), "callers")
	b.ReportMetric(before, "MiB-before")
	b.ReportMetric(residentMiB(b, s.pid), "MiB-idle")
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		c.Close()
	}
}
