package peertest

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// TrustDomain is that of all identities.
	TrustDomain = "test.example"

	// Everyone is the pattern that names all identities of the CA.
	Everyone = "spiffe://" + TrustDomain + "/*"
)

const (
	heartbeat = 10 * time.Second
	listLife  = 24 * time.Hour
)

// A CA is a root, the intermediates under it, of which the newest issues, and a
// server. Its methods may be called concurrently, and fail the test where something
// cannot be done.
type CA struct {
	// URL is the base of the HTTP listener, as in peer.Config.URL. Certificates name
	// it, so that a peer need not be told.
	URL string

	tb     testing.TB
	server *httptest.Server
	tick   *time.Ticker

	mu      sync.Mutex
	number  int64 // of the newest list of anybody
	shift   time.Duration
	root    *issuer
	issuers []*issuer // intermediates; the last one issues
}

// New starts a CA with one intermediate, which ends with the test. It signs a
// delta every ten seconds, as a real one does by default.
func New(tb testing.TB) *CA {
	tb.Helper()
	c := &CA{tb: tb, tick: time.NewTicker(heartbeat)}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	c.URL = c.server.URL
	c.root = c.newIssuer("Root CA", nil)
	c.Rotate()
	ended := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		for {
			select {
			case <-c.tick.C:
				c.Beat()
			case <-ended:
				return
			}
		}
	})
	tb.Cleanup(func() {
		c.tick.Stop()
		close(ended)
		beating.Wait()
		c.Stop()
	})
	return c
}

// BeatEvery changes how often a delta is signed when nothing happens.
func (c *CA) BeatEvery(d time.Duration) { c.tick.Reset(d) }

// Stop ends the server and every connection to it, as if the CA's host were gone.
func (c *CA) Stop() {
	for _, i := range c.all() {
		i.hub.Close()
	}
	c.server.CloseClientConnections()
	c.server.Close()
}

// Roots returns the trust anchors.
func (c *CA) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.root.cert)
	return pool
}

// Root returns the certificate of the trust anchor.
func (c *CA) Root() *x509.Certificate { return c.root.cert }

// Rotate makes another intermediate, which issues from now on. The lists of those
// before it go on.
func (c *CA) Rotate() {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.newIssuer("Issuing CA", c.root)
	c.issuers = append(c.issuers, next)
	c.publish(c.root)
	c.publish(next)
}

// Intermediate returns the certificate of the intermediate that issues.
func (c *CA) Intermediate() *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issuers[len(c.issuers)-1].cert
}

// Shift sets how far the CA's clock is ahead of the real one; negative: behind it.
// It counts from the next signature on.
func (c *CA) Shift(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift = by
}

func (c *CA) now() time.Time { return time.Now().Add(c.shift).Truncate(time.Second) }

func (c *CA) all() []*issuer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*issuer{c.root}, c.issuers...)
}

// ServeHTTP is what the CA's own listener serves, for those who would put
// something in between.
func (c *CA) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.serve(w, r) }

func (c *CA) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ocsp" {
		c.serveOCSP(w, r)
		return
	}
	id, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/crl/"), "/")
	for _, i := range c.all() {
		if i.id != id {
			continue
		}
		switch file {
		case "full.crl":
			c.serveList(w, i, true)
		case "delta.crl":
			c.serveList(w, i, false)
		case "stream":
			i.hub.ServeSSE(w, r)
		case "poll":
			i.hub.ServePoll(w, r)
		default:
			http.NotFound(w, r)
		}
		return
	}
	http.NotFound(w, r)
}
