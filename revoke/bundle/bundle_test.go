package bundle_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/bundle"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/revoketest"
)

// A machine keeps a file of a CA's lists.
type machine struct {
	t       *testing.T
	path    string
	changes atomic.Int64
	log     said
	keeper  *bundle.Keeper // the newest
}

// said is a log that may be read meanwhile.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func contains(s *said, text string) bool { return strings.Contains(s.String(), text) }

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// keep runs a Keeper for a machine of w, with the lists from url, and returns what
// stops it.
func (m *machine) keep(w *revoketest.World, url string, change ...func(*bundle.Config)) (stop func()) {
	m.t.Helper()
	conf := bundle.Config{
		Path: m.path, URL: url, Changed: func() { m.changes.Add(1) }, Log: slog.New(slog.NewTextHandler(&m.log, nil)),
		Machine: func() (chain, roots []*x509.Certificate) {
			leaf := w.Authority.Certificate() // who is below it is of no matter
			return []*x509.Certificate{leaf, w.Authority.Certificate()}, []*x509.Certificate{w.Authority.Root()}
		},
	}
	for _, f := range change {
		f(&conf)
	}
	k, err := bundle.New(conf)
	require.NoError(m.t, err)
	m.keeper = k
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(m.t, <-done) })
	m.t.Cleanup(stop)
	return stop
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, path: filepath.Join(t.TempDir(), "chain.crl.pem")}
}

// lists returns the lists in the file, each verified by who should have signed it.
func (m *machine) lists(w *revoketest.World) (issuing, root *crl.List) {
	m.t.Helper()
	text, err := os.ReadFile(m.path)
	require.NoError(m.t, err)
	first, rest := pem.Decode(text)
	second, rest := pem.Decode(rest)
	require.Empty(m.t, rest)
	issuing, err = crl.Open(first.Bytes, w.Authority.Certificate())
	require.NoError(m.t, err)
	root, err = crl.Open(second.Bytes, w.Authority.Root())
	require.NoError(m.t, err)
	return issuing, root
}

func (m *machine) names(w *revoketest.World, cert *x509.Certificate) bool {
	if _, err := os.Stat(m.path); err != nil {
		return false
	}
	serial, err := crl.SerialOf(cert.SerialNumber.Bytes())
	require.NoError(m.t, err)
	list, _ := m.lists(w)
	_, revoked := list.Entries().Lookup(serial)
	return revoked
}

func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 5*time.Millisecond, what)
}

func fall(t *testing.T, w *revoketest.World, identity string) {
	t.Helper()
	_, err := w.Revoker.Identity(t.Context(), revoketest.Root, identity, revoke.Order{Reason: crl.KeyCompromise})
	require.NoError(t, err)
}

// The file has the list of the intermediate and the root's, follows each revocation
// by itself, and every change is told; each is whole whenever it is read.
func TestFollow(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	m := newMachine(t)
	m.keep(w, w.URL)
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the first file")
	issuing, _ := m.lists(w)
	require.Zero(t, issuing.Entries().Len())
	info, err := os.Stat(m.path)
	require.NoError(t, err)
	require.EqualValues(t, 0o644, info.Mode()) // servers read it as users of their own

	// Who has it open reads on in the old one: it is replaced, not written over.
	first, err := os.Open(m.path)
	require.NoError(t, err)
	defer first.Close()
	before, err := os.ReadFile(m.path)
	require.NoError(t, err)
	defer func() {
		after, err := io.ReadAll(first)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}()

	for _, name := range []string{"device/a", "device/b", "device/c"} {
		cert, _ := w.Enrol(name)
		before := m.changes.Load()
		fall(t, w, name)
		eventually(t, func() bool { return m.names(w, cert) && m.changes.Load() > before }, name)
	}
	require.NotContains(t, m.log.String(), "level=WARN")
}

// A CA that is down leaves the file as it is, a restart of the machine too; what was
// revoked meanwhile is there once it is back.
func TestAway(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	cert, _ := w.Enrol("device/a")
	var down atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(rw, "down", http.StatusBadGateway)
			return
		}
		w.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	m := newMachine(t)
	stop := m.keep(w, front.URL)
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the first file")
	stop()
	before, err := os.ReadFile(m.path)
	require.NoError(t, err)

	down.Store(true)
	m.keep(w, front.URL)
	eventually(t, func() bool { return bytes.Contains([]byte(m.log.String()), []byte("502")) }, "it is told")
	fall(t, w, "device/a")
	after, err := os.ReadFile(m.path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	down.Store(false)
	eventually(t, func() bool { return m.names(w, cert) }, "it is caught up")
	eventually(t, func() bool { return bytes.Contains([]byte(m.log.String()), []byte("works again")) }, "it is told")
}
