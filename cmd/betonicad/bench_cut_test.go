package main_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/revoke/peer"
)

// BenchmarkCutEverywhere is from the return of the revoke call to the end of the
// last of the connections that the revoked machine has open to as many gateways,
// each a relying party of its own, in another process.
func BenchmarkCutEverywhere(b *testing.B) {
	for _, gateways := range []int{1000, 4000} {
		b.Run(fmt.Sprintf("gateways=%d", gateways), func(b *testing.B) {
			d := newBench(b, newCA(b))
			const pumps = 5
			certs := d.machines(b, pumps+1)
			c := crowd{URL: "http://" + d.HTTP, Roots: d.rootDER(b), State: scratch(b), Gateway: d.text(b, certs[pumps]), Subscribers: gateways}
			for _, cert := range certs[:pumps] {
				c.Pumps = append(c.Pumps, d.text(b, cert))
			}
			s := startBystanders(b, "gateways", c)
			admin := d.admin(b)
			var took []time.Duration
			for _, cert := range certs[:pumps] {
				s.wait(b, "connected-"+serialOf(cert.Leaf))
				_, err := admin.Revoke(b.Context(), adminapi.RevokeRequest{Identity: "device/" + cert.Leaf.Subject.CommonName})
				committed := time.Now()
				require.NoError(b, err)
				took = append(took, s.wait(b, "cut-"+serialOf(cert.Leaf)).Sub(committed))
			}
			slices.Sort(took)
			b.ReportMetric(milliseconds(took[pumps/2]), "last-p50-ms")
			b.ReportMetric(milliseconds(took[pumps-1]), "last-max-ms")
			b.ReportMetric(float64(yardstick(b))/float64(time.Microsecond), "verify-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// scratch returns a folder in memory where there is one: each gateway of a hospital
// has a disk to itself.
func scratch(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "betonica-")
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// stand opens the gateways, connects one pump after the other to all of them, and
// says when it is connected, and when the last of its connections has ended.
func (c crowd) stand() error {
	root, err := x509.ParseCertificate(c.Roots)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	fetch := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	gateways := make([]*tls.Config, c.Subscribers)
	errs := make([]error, 16)
	var next atomic.Int64
	var opening sync.WaitGroup
	for worker := range errs {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(gateways)) && errs[worker] == nil; i = next.Add(1) - 1 {
				var p *peer.Peer
				if p, errs[worker] = c.gateway(roots, fetch, i); errs[worker] == nil {
					gateways[i] = p.Server()
				}
			}
		})
	}
	opening.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say("ready")
	go func() {
		for _, pump := range c.Pumps {
			if err := connectEverywhere(l, gateways, pump.pair()); err != nil {
				panic(err)
			}
		}
	}()
	return nil
}

func (c crowd) gateway(roots *x509.CertPool, fetch *http.Client, i int64) (*peer.Peer, error) {
	return peer.Open(context.Background(), peer.Config{
		Source: still{c.Gateway.pair(), roots}, URL: c.URL, State: filepath.Join(c.State, fmt.Sprint(i)),
		Allow: []string{"spiffe://test.example/device/*"}, HTTP: fetch,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
}

// connectEverywhere returns once all connections have been cut.
func connectEverywhere(l net.Listener, gateways []*tls.Config, pump *tls.Certificate) error {
	serial := serialOf(pump.Leaf)
	cut := make(chan struct{})
	var left atomic.Int64
	left.Store(int64(len(gateways)))
	for _, gateway := range gateways {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		accepted, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			there := tls.Server(accepted, gateway)
			there.Write([]byte("x")) // after the handshake
			io.Copy(io.Discard, there)
		}()
		conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*pump}})
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			return fmt.Errorf("the gateway refused: %w", err)
		}
		go func() {
			defer conn.Close()
			conn.Read(make([]byte, 1)) // until it is cut
			if left.Add(-1) == 0 {
				say("cut-" + serial)
				close(cut)
			}
		}()
	}
	say("connected-" + serial)
	<-cut
	return nil
}
