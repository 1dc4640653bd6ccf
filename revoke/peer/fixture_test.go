package peer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
	"github.com/betonica/betonica/revoke/revoketest"
)

const everyone = "spiffe://hospital.example/*/*"

var order = revoke.Order{Reason: crl.KeyCompromise}

// A source is a machine that never renews.
type source struct {
	cert  *tls.Certificate
	roots *x509.CertPool
}

func (s source) Certificate() *tls.Certificate { return s.cert }
func (s source) Roots() *x509.CertPool         { return s.roots }

// A machine is one end of connections.
type machine struct {
	*peer.Peer
	source source
	who    *peertest.Identity // nil: of a real CA
	events *journal
}

// A journal keeps events.
type journal struct {
	mu  sync.Mutex
	all []peer.Event
}

func (l *journal) add(e peer.Event) { l.mu.Lock(); l.all = append(l.all, e); l.mu.Unlock() }

func (l *journal) has(kind peer.Kind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.Kind == kind {
			return true
		}
	}
	return false
}

func (l *journal) count(kind peer.Kind) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (l *journal) last(kind peer.Kind) (last peer.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.Kind == kind {
			last = e
		}
	}
	return last
}

func sourceOf(t *testing.T, w *revoketest.World, path string) source {
	t.Helper()
	cert, key := w.Enrol(path)
	roots := x509.NewCertPool()
	roots.AddCert(w.Authority.Root())
	return source{w.TLS(cert, key), roots}
}

func open(t *testing.T, w *revoketest.World, s source, change ...func(*peer.Config)) *machine {
	t.Helper()
	m := &machine{source: s}
	m.open(t, peer.Config{Source: s, Allow: []string{everyone}, URL: w.URL, IDOnly: true}, change)
	return m
}

// openAt opens a machine of a CA of package peertest.
func openAt(t *testing.T, who *peertest.Identity, change ...func(*peer.Config)) *machine {
	t.Helper()
	m := &machine{who: who}
	m.open(t, peer.Config{Source: who, Allow: []string{peertest.Everyone}}, change)
	return m
}

func (m *machine) open(t *testing.T, c peer.Config, change []func(*peer.Config)) {
	t.Helper()
	m.events = &journal{}
	c.State, c.Heartbeat, c.Events, c.Log = t.TempDir(), time.Hour, m.events.add, slog.New(slog.NewTextHandler(t.Output(), nil))
	for _, f := range change {
		f(&c)
	}
	var err error
	m.Peer, err = peer.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
}

func newMachine(t *testing.T, w *revoketest.World, path string, change ...func(*peer.Config)) *machine {
	t.Helper()
	return open(t, w, sourceOf(t, w, path), change...)
}

// echo serves what it reads, line by line, and says who spoke.
func echo(t *testing.T, l net.Listener) string {
	t.Helper()
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func (m *machine) listen(t *testing.T) string {
	t.Helper()
	l, err := m.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return echo(t, l)
}

// call sends a byte and waits for it to come back.
func call(c net.Conn) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// connect makes a new connection and calls over it.
func (m *machine) connect(t *testing.T, address string) (*tls.Conn, error) {
	t.Helper()
	c, err := m.Dial(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return c, call(c) // TLS 1.3: a refusal by the server comes with the first read
}

// revokeIt returns the number of the list that says so.
func revokeIt(t *testing.T, w *revoketest.World, path string) int64 {
	t.Helper()
	fell, err := w.Revoker.Identity(t.Context(), revoketest.Root, path, order)
	require.NoError(t, err)
	return fell.Number
}

// cut waits for a connection to be closed by the other side or by us.
func cut(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	var timeout net.Error
	if ok := errorsAs(err, &timeout); ok {
		require.False(t, timeout.Timeout(), "it is still open")
	}
}
