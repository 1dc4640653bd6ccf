package main_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/revoke/crl"
)

// BenchmarkWait is from the revoke call to the word that every relying party
// enforces it, as revoke --wait has it: each follows the stream in another process,
// verifies what it says, and reports over a connection of its own that stays open.
func BenchmarkWait(b *testing.B) {
	for _, peers := range []int{100, 1000} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			eachEngine(b, func(b *testing.B, d *bench) { d.wait(b, peers) })
		})
	}
}

func (d *bench) wait(b *testing.B, peers int) {
	const revocations = 20
	certs := d.machines(b, peers+revocations)
	c := crowd{URL: "http://" + d.HTTP, HTTPS: d.HTTPS, Issuer: certs[0].Certificate[1], Roots: d.rootDER(b)}
	for _, cert := range certs[:peers] {
		c.Pumps = append(c.Pumps, d.text(b, cert))
	}
	startBystanders(b, "reporters", c)
	admin := d.admin(b)
	var took, slowest []time.Duration
	pace := time.NewTicker(150 * time.Millisecond) // below ten deltas a second, which is all that there are
	defer pace.Stop()
	for _, cert := range certs[peers:] {
		<-pace.C
		begin := time.Now()
		fell, err := admin.Revoke(b.Context(), adminapi.RevokeRequest{Identity: "device/" + cert.Leaf.Subject.CommonName})
		require.NoError(b, err)
		var last adminapi.Enforcement
		for last, err = range admin.WaitEnforced(b.Context(), fell.Number, fell.Number, time.Minute) {
			require.NoError(b, err)
		}
		took = append(took, time.Since(begin))
		require.Equal(b, peers, last.Enforcing)
		require.True(b, last.Done())
		slowest = append(slowest, time.Duration(*last.Slowest)*time.Millisecond)
	}
	slices.Sort(took)
	slices.Sort(slowest)
	b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
	b.ReportMetric(milliseconds(took[len(took)-1]), "max-ms")
	b.ReportMetric(milliseconds(slowest[len(slowest)/2]), "slowest-p50-ms")
	b.ReportMetric(0, "ns/op")
}

// report has each pump follow the stream, and report what it has verified.
func (c crowd) report() error {
	issuer, err := x509.ParseCertificate(c.Issuer)
	if err != nil {
		return err
	}
	root, err := x509.ParseCertificate(c.Roots)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	var ready sync.WaitGroup
	for _, pump := range c.Pumps {
		conn, err := tls.Dial("tcp", c.HTTPS, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{*pump.pair()}})
		if err != nil {
			return err
		}
		stream, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
		if err != nil {
			return err
		}
		fmt.Fprintf(stream, "GET /crl/%x/stream HTTP/1.1\r\nHost: ca\r\n\r\n", issuer.SubjectKeyId)
		r := reporter{conn, bufio.NewReader(conn), issuer}
		ready.Add(1)
		go func() {
			if err := r.follow(stream, sync.OnceFunc(ready.Done)); err != nil {
				panic(err)
			}
		}()
	}
	ready.Wait()
	say("ready")
	return nil
}

// A reporter is one relying party's connection to the CA.
type reporter struct {
	net.Conn
	in     *bufio.Reader
	issuer *x509.Certificate
}

func (r reporter) follow(stream io.Reader, reported func()) error {
	resp, err := http.ReadResponse(bufio.NewReader(stream), nil)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return err
		}
		list, err := crl.Open(der, r.issuer)
		if err != nil {
			return err
		}
		if err := r.say(list.Number()); err != nil {
			return err
		}
		reported()
	}
	return nil // the daemon has ended
}

func (r reporter) say(number int64) error {
	body := fmt.Sprintf(`{"issuer":"%x","number":%d,"enforced_at":%q,"connections":1}`, r.issuer.SubjectKeyId, number, time.Now().UTC().Format(time.RFC3339))
	fmt.Fprintf(r, "POST /v1/enforcement HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	resp, err := http.ReadResponse(r.in, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("reporting: %s", resp.Status)
	}
	return nil
}
