package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

var soakFor = flag.Duration("soak", 0, "how long TestSoak goes on; left out if 0, but for 30s where $CI is set")

const (
	soakPumps    = 40
	soakGateways = 4 // of which the first relays to the next two
	soakStalled  = 20
)

// A soak is a CA, gateways, pumps that are connected to them, and readers that
// take nothing, while all of them come and go.
type soak struct {
	t        *testing.T
	dir      string
	d        *daemon
	roots    *x509.CertPool
	admin    *adminapi.Client
	gateways []*gateway
	relay    *httptest.Server
	relayed  atomic.Pointer[http.Handler]
	living   []*pump
	fallen   []*pump
	stalled  []net.Conn
	named    int
	pumping  sync.WaitGroup
}

// TestSoak revokes at random while the daemon is stopped and killed, peers
// restart, and readers stall. In the end every gateway refuses everyone who was
// revoked and nobody else, none of them let one in that its own list named, and
// no connection, goroutine or file descriptor is left over, in the daemon or in the
// peers.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		if os.Getenv("CI") == "" {
			t.Skip("-soak says for how long")
		}
		*soakFor = 30 * time.Second
	}
	s := newSoak(t)
	goroutines, files := runtime.NumGoroutine(), len(fdsOf(t, os.Getpid(), ""))
	idle := s.measure()
	s.begin()
	ctx, cancel := context.WithTimeout(t.Context(), *soakFor)
	defer cancel()
	for i := range s.living {
		s.start(ctx, s.living[i])
	}
	done := map[string]int{}
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		done[s.step(ctx)]++
	}
	s.pumping.Wait()
	s.settle()
	s.end()
	t.Logf("%v; %d revoked; the daemon has %v, and had %v", done, len(s.fallen), s.measure(), idle)

	require.Eventually(t, func() bool {
		now := s.measure()
		return now.sockets <= idle.sockets && now.subscribers == 0 && now.files <= idle.files+16 && now.goroutines <= idle.goroutines+16
	}, patience, 100*time.Millisecond, "the daemon keeps something: %v, and it had %v", s.measure, idle)
	require.NoError(t, s.d.stop())
	require.Eventually(t, func() bool {
		return runtime.NumGoroutine() <= goroutines && len(fdsOf(t, os.Getpid(), "")) <= files
	}, patience, 100*time.Millisecond, "the peers keep something")
}

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, dir: newCA(t)}
	replaceIn(t, filepath.Join(s.dir, "betonica.toml"), `# heartbeat = "10s"`, `heartbeat = "1s"`)
	s.roots = rootsOf(t, s.dir)
	s.up(anywhere)
	t.Cleanup(func() {
		s.d.kill()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", s.d.log.tail())
		}
	})
	return s
}

// up starts the daemon where it was before.
func (s *soak) up(at addresses) {
	d, err := startAt(s.dir, at)
	require.NoError(s.t, err)
	s.d = d
	if s.admin != nil {
		s.admin.Close()
	}
	s.admin = adminapi.Unix(d.Socket)
}

func (s *soak) begin() {
	s.relay = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := s.relayed.Load(); h != nil {
			(*h).ServeHTTP(w, r)
		}
	}))
	for i := range soakGateways {
		g := &gateway{s: s, own: still{s.enrol("gateway-" + strconv.Itoa(i)), s.roots}, state: s.t.TempDir(), relays: i == 0, relayed: i == 1 || i == 2}
		s.gateways = append(s.gateways, g)
		g.open()
	}
	for range soakPumps {
		s.grow()
	}
	s.stall()
}

// enrol makes a machine.
func (s *soak) enrol(name string) *tls.Certificate {
	token, err := s.admin.CreateToken(s.t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
	require.NoError(s.t, err)
	c, err := dial(s.d.HTTPS, s.roots)
	require.NoError(s.t, err)
	defer c.Close()
	r := newRequest(s.t)
	status, chain, err := c.post(api.PathEnroll, token.Secret, r.csr)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusCreated, status, string(chain))
	pair, err := r.certificate(chain)
	require.NoError(s.t, err)
	return &pair
}

func (s *soak) grow() *pump {
	s.named++
	p := &pump{name: "pump-" + strconv.Itoa(s.named)}
	p.cert = s.enrol(p.name)
	s.living = append(s.living, p)
	return p
}

// step does one thing at random, and says what.
func (s *soak) step(ctx context.Context) string {
	switch n := rand.N(100); {
	case n < 4:
		at := s.d.addresses
		if n == 0 {
			s.d.kill()
		} else if err := s.d.stop(); err != nil {
			s.t.Error(err)
		}
		s.up(at)
		return "daemon restarts"
	case n < 10:
		g := s.gateways[rand.N(len(s.gateways))]
		g.close()
		g.open()
		return "peer restarts"
	case n < 15:
		s.unstall()
		s.stall()
		return "stalls"
	case n < 60:
		i := rand.N(len(s.living))
		p := s.living[i]
		fell, err := s.admin.Revoke(s.t.Context(), adminapi.RevokeRequest{Identity: "device/" + p.name})
		require.NoError(s.t, err)
		p.fell.Store(fell.Number)
		s.living[i] = s.living[len(s.living)-1]
		s.living = s.living[:len(s.living)-1]
		s.fallen = append(s.fallen, p)
		s.start(ctx, s.grow())
		return "revocations"
	}
	return "pauses"
}

// stall opens streams that nobody reads, of the daemon and of the relay.
func (s *soak) stall() {
	cert, err := x509.ParseCertificate(s.gateways[0].own.cert.Certificate[1])
	require.NoError(s.t, err)
	for i := range soakStalled {
		address := s.d.HTTP
		if i%2 == 0 {
			address = s.relay.Listener.Addr().String()
		}
		c, err := net.Dial("tcp", address)
		require.NoError(s.t, err)
		fmt.Fprintf(c, "GET /crl/%x/%s HTTP/1.1\r\nHost: ca\r\n\r\n", cert.SubjectKeyId, []string{"stream", "poll", "full.crl"}[i%3])
		s.stalled = append(s.stalled, c)
	}
}

func (s *soak) unstall() {
	for _, c := range s.stalled {
		c.Close()
	}
	s.stalled = nil
}

// settle waits until all enforce the last revocation, and tries everyone
// everywhere.
func (s *soak) settle() {
	var last int64
	for _, p := range s.fallen {
		last = max(last, p.fell.Load())
	}
	for _, g := range s.gateways {
		require.Eventually(s.t, func() bool { return g.peer.Load().Number() >= last && g.peer.Load().Fresh() == nil }, patience, 10*time.Millisecond)
		require.Eventually(s.t, func() bool { return g.peer.Load().Stats().Reports > 0 }, patience, 10*time.Millisecond, "the daemon takes no report")
		for _, p := range s.fallen {
			c, err := p.connect(g.address.Load().(string))
			if err == nil {
				c.Close()
			}
			require.Error(s.t, err, "%s is revoked", p.name)
		}
		for _, p := range s.living {
			c, err := p.connect(g.address.Load().(string))
			require.NoError(s.t, err, "%s is not revoked", p.name)
			c.Close()
		}
		require.Eventually(s.t, func() bool { return g.peer.Load().Connections() == 0 }, patience, 10*time.Millisecond, "connections that nobody has")
	}
}

func (s *soak) end() {
	s.unstall()
	s.admin.Close()
	for _, g := range s.gateways {
		g.close()
	}
	s.relay.CloseClientConnections()
	s.relay.Close()
}

// An open is what a process has open.
type open struct{ files, sockets, goroutines, subscribers int }

func (s *soak) measure() open {
	s.t.Helper()
	o := open{files: len(fdsOf(s.t, s.d.pid, "")), sockets: len(fdsOf(s.t, s.d.pid, "socket:"))}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + s.d.Ops + "/metrics")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch base, _, _ := strings.Cut(name, "{"); base {
		case "go_goroutines":
			o.goroutines = int(n)
		case "betonica_crl_subscribers":
			o.subscribers += int(n)
		}
	}
	require.Positive(s.t, o.goroutines)
	return o
}

// fdsOf returns what a process's file descriptors of a kind are.
func fdsOf(t *testing.T, pid int, kind string) (all []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(to, kind) {
			all = append(all, to)
		}
	}
	return all
}

// replaceIn replaces a text in a file, which must be there.
func replaceIn(t *testing.T, file, old, by string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte(old), []byte(by), 1), 0o600))
}
