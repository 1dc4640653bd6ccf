package rules_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/rules"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/signed"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

const one = "[[allow]]\nname = \"one\"\npeers = [\"device\"]\ntcp = true\n"

// A world is a CA that answers what it is told to, and a guard of it.
type world struct {
	t      *testing.T
	pki    *peertest.CA
	guard  *peertest.Identity
	server *peertest.Identity // signs the statements
	url    string
	file   string
	log    lines
	ahead  atomic.Int64 // of the guard's clock

	mu       sync.Mutex
	answer   []byte
	tag      string
	status   int
	changed  chan struct{}
	asked    int
	presents string // the ID of who asked last
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}
func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

func newWorld(t *testing.T, listener string) *world {
	pki := peertest.New(t)
	w := &world{t: t, pki: pki, guard: pki.Identity("gateway/gw-1"), server: pki.Identity("ca/betonicad"),
		file: filepath.Join(t.TempDir(), "guard", "rules.jws"), status: http.StatusOK, changed: make(chan struct{})}
	s := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*pki.Identity(listener).Certificate()}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

// serve is the protocol of the daemon, which has tests of its own.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked++
	if r.URL.Path != api.PathGuardRules || r.Header.Get("Prefer") != "wait=30" {
		w.t.Errorf("asked for %s, %v", r.URL, r.Header)
	}
	if len(r.TLS.PeerCertificates) > 0 {
		w.presents = r.TLS.PeerCertificates[0].URIs[0].String()
	}
	for w.status == http.StatusOK && r.Header.Get("If-None-Match") == w.tag && w.tag != "" {
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	rw.Header().Set("ETag", w.tag)
	rw.WriteHeader(w.status)
	rw.Write(w.answer)
}

// say has the CA say something from now on.
func (w *world) say(status int, tag string, answer []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.tag, w.answer = status, tag, answer
	close(w.changed)
	w.changed = make(chan struct{})
}

// sign returns a statement for the guard, issued so long ago.
func (w *world) sign(version int64, ago time.Duration, text string) []byte {
	w.t.Helper()
	guard, err := allow.ParseID(w.guard.ID())
	require.NoError(w.t, err)
	issued := time.Now().Add(-ago).Truncate(time.Second)
	signedText, err := signed.Sign(signed.Statement{Guard: guard, Version: version, Issued: issued, Expires: issued.Add(24 * time.Hour), Rules: text}, w.server.Certificate())
	require.NoError(w.t, err)
	return signedText
}

func (w *world) open(change ...func(*rules.Config)) *rules.Source {
	w.t.Helper()
	conf := rules.Config{URL: w.url, Identity: w.guard, File: w.file, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }}
	for _, f := range change {
		f(&conf)
	}
	s, err := rules.Open(conf)
	require.NoError(w.t, err)
	return s
}

// run fetches until the test, or the returned function, ends it.
func (w *world) run(s *rules.Source) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-done)
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) eventually(is func() bool) {
	w.t.Helper()
	require.Eventually(w.t, is, 20*time.Second, 5*time.Millisecond, "%s", &w.log)
}

func (w *world) admits(s *rules.Source) bool {
	device, err := allow.ParseID("spiffe://" + peertest.TrustDomain + "/device/a")
	require.NoError(w.t, err)
	return s.Rules().Admits(device, "any")
}

// Rules are in force when the CA says them, and again when it says others; the next run
// begins with them, while the CA is away.
func TestSource(t *testing.T) {
	w := newWorld(t, "ca/betonicad")
	w.say(200, `"7"`, w.sign(7, 0, one))
	s := w.open()
	require.False(t, w.admits(s), "nobody is let in before there are rules")
	require.Error(t, s.Status().Err)
	stop := w.run(s)
	w.eventually(func() bool { return w.admits(s) })
	w.eventually(func() bool { return s.Status().Err == nil })
	require.Equal(t, int64(7), s.Status().Version)
	w.mu.Lock()
	require.Equal(t, w.guard.ID(), w.presents)
	w.mu.Unlock()

	w.say(200, `"8"`, w.sign(8, 0, ""))
	w.eventually(func() bool { return s.Status().Version == 8 })
	require.False(t, w.admits(s))
	w.say(200, `"9"`, w.sign(9, 0, one))
	w.eventually(func() bool { return w.admits(s) })
	stop()

	w.say(503, "", nil)
	again := w.open()
	require.True(t, w.admits(again))
	require.Equal(t, int64(9), again.Status().Version)
	require.NotContains(t, w.log.String(), "ERROR")
	w.run(again)
	w.eventually(func() bool {
		return w.log.String() != "" && again.Status().Err != nil && bytes.Contains([]byte(w.log.String()), []byte("503"))
	})
	require.True(t, w.admits(again))
}

// What is older, of somebody else or damaged is not taken, and what was in force stays,
// in memory and on disk.
func TestSourceRefuses(t *testing.T) {
	for name, bad := range map[string]func(w *world) []byte{
		"older version": func(w *world) []byte { return w.sign(6, 0, "") },
		"older answer":  func(w *world) []byte { return w.sign(7, 10*time.Second, "") },
		"not the CA": func(w *world) []byte {
			w.server = w.guard
			return w.sign(8, 0, "")
		},
		"damaged":      func(w *world) []byte { return append(w.sign(8, 0, ""), 'x') },
		"rules broken": func(w *world) []byte { return w.sign(8, 0, "[[allow]]\n") },
		"empty":        func(w *world) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "ca/betonicad")
			w.say(200, `"7"`, w.sign(7, 0, one))
			s := w.open()
			w.run(s)
			w.eventually(func() bool { return s.Status().Err == nil })
			before, err := os.ReadFile(w.file)
			require.NoError(t, err)
			w.say(200, `"x"`, bad(w))
			w.eventually(func() bool { return s.Status().Err != nil })
			if name == "older version" || name == "older answer" {
				require.ErrorIs(t, s.Status().Err, rules.ErrOld)
			}
			require.True(t, w.admits(s))
			require.Equal(t, int64(7), s.Status().Version)
			after, err := os.ReadFile(w.file)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

// Nobody but the CA is asked, though he has a certificate of it.
func TestSourceAsksTheCA(t *testing.T) {
	w := newWorld(t, "service/thief")
	w.say(200, `"7"`, w.sign(7, 0, one))
	s := w.open()
	w.run(s)
	w.eventually(func() bool { return bytes.Contains([]byte(w.log.String()), []byte("not signed by the CA")) })
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Zero(t, w.asked)
	require.False(t, w.admits(s))
}

// A file that was tampered with lets nobody in.
func TestSourceDisk(t *testing.T) {
	w := newWorld(t, "ca/betonicad")
	require.NoError(t, os.MkdirAll(filepath.Dir(w.file), 0o700))
	text := w.sign(7, 0, one)
	require.NoError(t, os.WriteFile(w.file, text, 0o600))
	require.True(t, w.admits(w.open()))
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(w.file, text, 0o600))
	require.False(t, w.admits(w.open()))
	require.Contains(t, w.log.String(), "not taken")
}

// Rules that have expired stay in force, with an alarm; where the setting says so, they
// end.
func TestSourceExpiry(t *testing.T) {
	for _, end := range []bool{false, true} {
		w := newWorld(t, "ca/betonicad")
		w.say(503, "", nil)
		require.NoError(t, os.MkdirAll(filepath.Dir(w.file), 0o700))
		require.NoError(t, os.WriteFile(w.file, w.sign(7, 0, one), 0o600))
		s := w.open(func(c *rules.Config) { c.EndAtExpiry = end })
		require.True(t, w.admits(s))
		w.ahead.Store(int64(25 * time.Hour))
		require.Equal(t, !end, w.admits(s))
		w.run(s)
		w.eventually(func() bool { return bytes.Contains([]byte(w.log.String()), []byte("have expired")) })
	}
}
