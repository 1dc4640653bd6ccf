package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/attest"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/join"
	"github.com/betonica/betonica/enroll/renew"
	"github.com/betonica/betonica/revoke/revoketest"
)

// A front of a real CA, on free ports.
type fixture struct {
	*Server
	ca   *enrolltest.CA
	urls struct{ https, http, ops string }
	log  *logBuffer
	stop context.CancelFunc
	done chan error // Run's
	t    testing.TB
}

// newServer serves a CA until the test ends. pages are added to those of the
// HTTPS listener.
func newServer(t testing.TB, pages map[string]Page) *fixture {
	f := &fixture{ca: enrolltest.New(t), log: &logBuffer{}, done: make(chan error, 1), t: t}
	logger := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := revoketest.New(t, f.ca)
	f.Server = &Server{
		Stopped: func() error { return nil }, Evidence: NewEvidence(func([]byte) (bool, error) { return false, nil }),
		Join: &join.Handler{Registrar: f.ca.Registrar}, Renew: &renew.Handler{Registrar: f.ca.Registrar}, Attest: &attest.Handler{Registrar: f.ca.Registrar},
		Registrar: f.ca.Registrar, Issuers: f.ca.Issuers, Publishers: w.Publishers, Responder: w.Responder, Enforcement: w.Enforcement, Admin: pages,
		Certificate: &Certificate{
			Issue: func(ctx context.Context) (tls.Certificate, error) {
				dns, ips := SplitNames(WithLoopback(nil))
				return f.ca.Self(ctx, "betonicad", dns, ips)
			},
			Now: f.ca.Now, Log: logger,
		},
		Ready: f.ca.Store.Health, Metrics: NewMetrics(), Log: logger,
	}
	f.Metrics.Collect(f.ca.Store, func() error { return f.Ready() })
	t.Cleanup(f.Metrics.Wait)
	require.NoError(t, f.Certificate.Renew(t.Context()))
	l, err := Listen(testConfig(t))
	require.NoError(t, err)
	urls := l.URLs()
	f.urls.https, f.urls.http, f.urls.ops = "https://"+urls.HTTPS, "http://"+urls.HTTP, "http://"+urls.Ops

	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() { f.done <- f.Run(ctx, l) }()
	t.Cleanup(func() {
		f.stop()
		require.NoError(t, <-f.done)
		if t.Failed() {
			t.Log(f.log)
		}
	})
	return f
}

// ended waits until the server has stopped.
func (f *fixture) ended() error {
	err := <-f.done
	f.done <- err
	return err
}

// client trusts the CA, and shows own if there is one.
func (f *fixture) client(own ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(f.Issuers.Root())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: own}}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// do sends a request, and returns the answer with its body read.
func (f *fixture) do(c *http.Client, method, url string, header http.Header, body []byte) (*http.Response, []byte) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, url, bytes.NewReader(body))
	require.NoError(f.t, err)
	if header != nil {
		req.Header = header
	}
	resp, err := c.Do(req)
	require.NoError(f.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return resp, text
}

func (f *fixture) get(url string) (*http.Response, []byte) {
	f.t.Helper()
	return f.do(f.client(), http.MethodGet, url, nil, nil)
}

// requireProblem checks that an answer is a problem document of that status and
// type, that names the request as the header does.
func requireProblem(t *testing.T, resp *http.Response, body []byte, status int, kind string) api.Problem {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, "%s", body)
	require.Equal(t, api.MediaProblem, resp.Header.Get("Content-Type"))
	var p api.Problem
	require.NoError(t, json.Unmarshal(body, &p))
	require.Equal(t, kind, p.Type)
	require.Equal(t, status, p.Status)
	require.Equal(t, http.StatusText(status), p.Title)
	require.NotEmpty(t, p.RequestID)
	require.Equal(t, resp.Header.Get("X-Request-Id"), p.RequestID)
	return p
}

// A logBuffer keeps what is logged; it may be read meanwhile.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// A URL that does not exist, a method that it does not have, and a path that
// needs cleaning are answered as every other error is.
func TestNoRoute(t *testing.T) {
	f := newServer(t, nil)
	resp, body := f.get(f.urls.https + "/v1/nothing")
	requireProblem(t, resp, body, http.StatusNotFound, api.ProblemNotFound)
	resp, body = f.get(f.urls.https + api.PathEnroll)
	requireProblem(t, resp, body, http.StatusMethodNotAllowed, api.ProblemMalformed)
	require.Equal(t, "POST", resp.Header.Get("Allow"))
	resp, body = f.do(f.client(), http.MethodPut, f.urls.https+api.PathCheckpoint, nil, nil)
	requireProblem(t, resp, body, http.StatusMethodNotAllowed, api.ProblemMalformed)
	require.Equal(t, "GET, HEAD", resp.Header.Get("Allow"))
	resp, body = f.get(f.urls.http + "/")
	requireProblem(t, resp, body, http.StatusNotFound, api.ProblemNotFound)
}

// A page that panics is answered, and what it panicked with is in the log only.
func TestPanic(t *testing.T) {
	f := newServer(t, map[string]Page{
		"GET /panic": func(http.ResponseWriter, *http.Request) error { panic("a secret") },
		"GET /abort": func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
	})
	resp, body := f.get(f.urls.https + "/panic")
	p := requireProblem(t, resp, body, http.StatusInternalServerError, api.ProblemInternal)
	require.Equal(t, "internal error", p.Detail)
	require.Contains(t, f.log.String(), "a secret")
	require.Contains(t, f.log.String(), "request="+p.RequestID)

	_, err := f.client().Get(f.urls.https + "/abort")
	require.Error(t, err, "an answer that was cut off is not one that ended")
}

// A stopping daemon finishes what it has begun, and begins nothing new.
func TestStop(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	f := newServer(t, map[string]Page{"GET /slow": func(w http.ResponseWriter, r *http.Request) error {
		close(begun)
		<-finish
		require.NoError(t, r.Context().Err(), "a stop does not cancel what is under way")
		_, err := io.WriteString(w, "done")
		return err
	}})
	answer := make(chan string)
	go func() {
		resp, err := f.client().Get(f.urls.https + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answer <- string(text)
	}()
	<-begun
	f.stop()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", f.urls.https[len("https://"):])
		if err == nil {
			c.Close()
		}
		return err != nil
	}, testPatience, testTick, "the listener closes while a request is under way")
	close(finish)
	require.Equal(t, "done", <-answer)
	require.NoError(t, f.ended())
}

// If one listener fails, all end, and the error names it.
func TestListenerFails(t *testing.T) {
	f := newServer(t, nil)
	f.stop()
	require.NoError(t, f.ended())
	l, err := Listen(testConfig(t))
	require.NoError(t, err)
	l.HTTP.Close()
	require.ErrorContains(t, f.Run(t.Context(), l), "serving http: ")
}
