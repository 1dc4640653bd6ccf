package main_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/ocsp"
)

// runs is how often a revocation is timed.
const runs = 100

// BenchmarkOCSP asks the responder over kept-alive connections: for answers that
// it has, for answers that it has to make, and for answers with a nonce.
func BenchmarkOCSP(b *testing.B) {
	d := newBench(b, newCA(b))
	const certs = 1000
	issuer, serials := d.issued(b, certs)
	ask := func(serial, nonce []byte) []byte {
		req, err := issuer.NewRequest(serial, nonce)
		require.NoError(b, err)
		der := req.Marshal()
		return append(fmt.Appendf(nil, "POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", ocsp.RequestType, len(der)), der...)
	}
	measure := func(b *testing.B, clients int, requests [][]byte) {
		conns := make([]*plain, clients)
		for i := range conns {
			conns[i] = d.plain(b)
		}
		m := d.meter(b)
		m.time(clients, len(requests), func(client, job int) error { return conns[client].answered(requests[job]) })
		m.reportAs("answers")
	}
	for _, clients := range []int{8, 32} {
		b.Run(fmt.Sprintf("hit/clients=%d", clients), func(b *testing.B) {
			requests := make([][]byte, 20*certs)
			for i := range requests {
				requests[i] = ask(serials[i%certs], nil)
			}
			warm := d.plain(b)
			for _, r := range requests[:certs] {
				require.NoError(b, warm.answered(r))
			}
			requests = slices.Repeat(requests, 10)
			measure(b, clients, requests)
		})
	}
	b.Run("miss/clients=32", func(b *testing.B) {
		requests := make([][]byte, 40*certs)
		for i := range requests {
			serial := make([]byte, 16) // one that was never asked for: none of ours, so that each is a read
			rand.Read(serial)
			serial[0] = 1
			requests[i] = ask(serial, nil)
		}
		measure(b, 32, requests)
	})
	b.Run("nonce/clients=32", func(b *testing.B) {
		requests := make([][]byte, 40*certs)
		for i := range requests {
			nonce := make([]byte, 32)
			rand.Read(nonce)
			requests[i] = ask(serials[i%certs], nonce)
		}
		measure(b, 32, requests)
	})
}

// BenchmarkPush is from the return of the revoke call to the last of 1,000
// subscribers in another process having verified the list that says so.
func BenchmarkPush(b *testing.B) {
	d := newBench(b, newCA(b))
	certs := d.machines(b, runs)
	const subscribers = 1000
	s := startBystanders(b, "subscribers", crowd{URL: "http://" + d.HTTP, Issuer: certs[0].Certificate[1], Subscribers: subscribers})
	d.revokeAll(b, certs, func(_ *x509.Certificate, fell adminapi.Fallen) time.Time { return s.wait(b, fmt.Sprint(fell.Number)) })
}

// BenchmarkCut is from the return of the revoke call to the end of the revoked
// machine's connection to a gateway, in another process.
func BenchmarkCut(b *testing.B) {
	d := newBench(b, newCA(b))
	certs := d.machines(b, runs+1)
	c := crowd{URL: "http://" + d.HTTP, Roots: d.rootDER(b), State: b.TempDir(), Gateway: d.text(b, certs[runs])}
	for _, cert := range certs[:runs] {
		c.Pumps = append(c.Pumps, d.text(b, cert))
	}
	s := startBystanders(b, "gateway", c)
	d.revokeAll(b, certs[:runs], func(leaf *x509.Certificate, _ adminapi.Fallen) time.Time { return s.wait(b, serialOf(leaf)) })
}

// revokeAll revokes one after the other, and reports how long after each call
// something was seen.
func (d *bench) revokeAll(b *testing.B, certs []tls.Certificate, seen func(*x509.Certificate, adminapi.Fallen) time.Time) {
	admin := d.admin(b)
	var took []time.Duration
	pace := time.NewTicker(150 * time.Millisecond) // below ten deltas a second, which is all that there are
	defer pace.Stop()
	for _, cert := range certs {
		fell, err := admin.Revoke(b.Context(), adminapi.RevokeRequest{Identity: "device/" + cert.Leaf.Subject.CommonName})
		committed := time.Now()
		require.NoError(b, err)
		took = append(took, max(0, seen(cert.Leaf, fell).Sub(committed)))
		<-pace.C
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// machines enrols n machines.
func (d *bench) machines(b *testing.B, n int) []tls.Certificate {
	certs, work := make([]tls.Certificate, n), d.prepare(b, n)
	c, err := dial(d.HTTPS, d.roots) // now: nobody holds a silent connection for long
	require.NoError(b, err)
	defer c.Close()
	for i, e := range work {
		status, chain, err := c.post(api.PathEnroll, e.token, e.csr)
		require.NoError(b, expect(http.StatusCreated)(status, chain, err))
		certs[i], err = e.certificate(chain)
		require.NoError(b, err)
	}
	return certs
}

// issued enrols n machines, and returns their issuer and serial numbers.
func (d *bench) issued(b *testing.B, n int) (*ocsp.Issuer, [][]byte) {
	certs := d.machines(b, n)
	cert, err := x509.ParseCertificate(certs[0].Certificate[1])
	require.NoError(b, err)
	issuer, err := ocsp.NewIssuer(cert)
	require.NoError(b, err)
	var serials [][]byte
	for _, c := range certs {
		serials = append(serials, c.Leaf.SerialNumber.Bytes())
	}
	return issuer, serials
}

func (d *bench) text(b *testing.B, cert tls.Certificate) machineText {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(b, err)
	return machineText{key, cert.Certificate}
}

func (d *bench) rootDER(b *testing.B) []byte {
	text, err := os.ReadFile(d.dir + ".root/root.pem")
	require.NoError(b, err)
	block, _ := pem.Decode(text)
	require.NotNil(b, block)
	return block.Bytes
}

// A plain is one kept-alive connection to the HTTP listener.
type plain struct {
	net.Conn
	in *bufio.Reader
}

func (d *bench) plain(b *testing.B) *plain {
	c, err := net.Dial("tcp", d.HTTP)
	require.NoError(b, err)
	b.Cleanup(func() { c.Close() })
	return &plain{c, bufio.NewReader(c)}
}

// answered sends a request and reads a whole answer, which it does not verify.
func (p *plain) answered(request []byte) error {
	if _, err := p.Write(request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && string(line[:12]) != "HTTP/1.1 200" {
			return fmt.Errorf("%s", line)
		}
		if len(line) == 2 {
			break
		}
		if n := len("Content-Length: "); len(line) > n && string(line[:n]) == "Content-Length: " {
			length = 0
			for _, c := range line[n : len(line)-2] {
				length = 10*length + int(c-'0')
			}
		}
	}
	if length < 100 { // one of the five bytes that are no answer
		return fmt.Errorf("%d bytes instead of an answer", length)
	}
	_, err := io.CopyN(io.Discard, p.in, int64(length))
	return err
}
