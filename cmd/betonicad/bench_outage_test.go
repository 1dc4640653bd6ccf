package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/ocsp"
)

var returning = flag.Int("returning", 10_000, "machines that come back at once in BenchmarkOutage")

// BenchmarkOutage is a fleet whose CA was away for some seconds while all of it was due.
// Thirty seconds is the least in which the agents' second tries come; after a longer
// outage they are further apart. Ten seconds is a rush of clients that are not ours. Each
// machine comes over a connection of its own, and again when it is told to; they are
// another process, which has the processors that the daemon leaves: they stand for
// other computers. Beside them others ask, twenty times a second each: OCSP over an open
// connection, for the newest checkpoint over another, and for that over a new one.
func BenchmarkOutage(b *testing.B) {
	for _, within := range []time.Duration{30 * time.Second, 10 * time.Second} {
		b.Run("within="+within.String(), func(b *testing.B) {
			eachEngine(b, func(b *testing.B, d *bench) { d.outage(b, within) })
		})
	}
}

func (d *bench) outage(b *testing.B, within time.Duration) {
	certs := d.machines(b, *returning)
	c := crowd{HTTPS: d.HTTPS, Roots: d.rootDER(b), Within: within}
	for _, cert := range certs {
		c.Pumps = append(c.Pumps, d.text(b, cert))
	}
	cert, err := x509.ParseCertificate(certs[0].Certificate[1])
	require.NoError(b, err)
	issuer, err := ocsp.NewIssuer(cert)
	require.NoError(b, err)
	question, err := issuer.NewRequest(certs[0].Leaf.SerialNumber.Bytes(), nil)
	require.NoError(b, err)
	der := question.Marshal()
	request := append(fmt.Appendf(nil, "POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", ocsp.RequestType, len(der)), der...)
	client := func(kept bool) func() error {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: !kept, TLSClientConfig: &tls.Config{RootCAs: d.roots, ServerName: "localhost"}}}
		return func() error {
			resp, err := c.Get("https://" + d.HTTPS + api.PathCheckpoint)
			if err == nil {
				resp.Body.Close()
			}
			return err
		}
	}
	fleet := startBystanders(b, "fleet", c, "nice", "-n", "19")
	begin := time.Now()
	plain := d.plain(b) // now: nobody holds a silent connection for long
	gone := make(chan struct{})
	var others sync.WaitGroup
	for name, ask := range map[string]func() error{
		"ocsp": func() error { return plain.answered(request) }, "open": client(true), "new": client(false),
	} {
		others.Go(func() { report(b, name, asked(b, gone, name == "new", ask)) })
	}
	for line := range fleet.said {
		if line[0] == "gone" {
			break
		}
		what, count, _ := strings.Cut(line[0], "=")
		n, err := strconv.Atoi(count)
		require.NoError(b, err, line[0])
		b.ReportMetric(float64(n), what)
	}
	b.ReportMetric(time.Since(begin).Seconds(), "s-until-all")
	b.ReportMetric(0, "ns/op")
	close(gone)
	others.Wait()
}

// asked asks twenty times a second until gone is closed, and returns what each took,
// sorted; at the same time, if an answer may be later than the next question.
func asked(b *testing.B, gone chan struct{}, beside bool, ask func() error) []time.Duration {
	var mu sync.Mutex
	var took []time.Duration
	once := func(begin time.Time) {
		if err := ask(); err != nil {
			b.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(begin))
	}
	var all sync.WaitGroup
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			all.Wait()
			slices.Sort(took)
			return took
		case begin := <-tick.C:
			if beside {
				all.Go(func() { once(begin) })
			} else {
				once(begin)
			}
		}
	}
}

func report(b *testing.B, name string, took []time.Duration) {
	b.ReportMetric(milliseconds(took[len(took)/2]), name+"-p50-ms")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), name+"-p99-ms")
}
