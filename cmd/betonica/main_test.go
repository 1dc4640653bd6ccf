package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A tool runs command lines as a person would, in an environment of the test's.
type tool struct {
	t     *testing.T
	vars  map[string]string
	stdin string
	now   time.Time
	seen  bool // stdout is a terminal
}

func newTool(t *testing.T) *tool {
	return &tool{t: t, vars: make(map[string]string)}
}

// A result is what a command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

func (x *tool) run(args ...string) result { return x.runContext(x.t.Context(), args...) }

func (x *tool) runContext(ctx context.Context, args ...string) result {
	var out, errs bytes.Buffer
	env := environment{
		stdin: strings.NewReader(x.stdin), stdout: &out, stderr: &errs, now: time.Now,
		getenv: func(name string) string { return x.vars[name] }, terminal: x.seen,
	}
	if !x.now.IsZero() {
		env.now = func() time.Time { return x.now }
	}
	err := run(ctx, env, args)
	report(env, err)
	return result{exitCode(err), out.String(), errs.String()}
}

// ok demands that the command line succeeds, and returns its data.
func (x *tool) ok(args ...string) string {
	r := x.run(args...)
	require.Zero(x.t, r.code, "%q: %s", args, r.stderr)
	return r.stdout
}

// A call is a request that a scripted daemon got.
type call struct {
	method, path, query, body string
}

// A daemon answers the admin API on a socket from a script, so that a test
// decides every byte of it.
type daemon struct {
	socket string

	mu     sync.Mutex
	calls  []call
	answer http.HandlerFunc
}

func newDaemon(t *testing.T) *daemon {
	d := &daemon{socket: filepath.Join(t.TempDir(), "admin.sock")}
	ln, err := net.Listen("unix", d.socket)
	require.NoError(t, err)
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		d.mu.Lock()
		d.calls = append(d.calls, call{r.Method, strings.TrimPrefix(r.URL.Path, "/v1/admin/"), r.URL.RawQuery, strings.TrimSpace(body.String())})
		answer := d.answer
		d.mu.Unlock()
		answer(w, r)
	})}}
	srv.Start()
	t.Cleanup(srv.Close)
	return d
}

// does makes answer answer everything from now on.
func (d *daemon) does(answer http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer, d.calls = answer, nil
}

// asked returns what the daemon was asked since it does what it does.
func (d *daemon) asked() []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// says makes the daemon answer everything with body.
func (d *daemon) says(status int, body any) {
	d.does(func(w http.ResponseWriter, _ *http.Request) {
		if status >= 300 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		if text, ok := body.(string); ok {
			w.Write([]byte(text))
			return
		}
		json.NewEncoder(w).Encode(body)
	})
}

// talk returns a daemon, and a tool that finds it.
func talk(t *testing.T) (*tool, *daemon) {
	x, d := newTool(t), newDaemon(t)
	x.vars["BETONICA_SOCKET"] = d.socket
	return x, d
}

// A command line that makes no sense is exit code 2, on stderr, with where to
// look.
func TestUsage(t *testing.T) {
	x := newTool(t)
	for _, args := range [][]string{
		{"frobnicate"}, {"token", "frob"}, {"token", "create"}, {"token", "create", "--role", "device"}, {"token", "create", "x"},
		{"approve", "x"}, {"approve", "7ZK4-09TM", "now"}, {"approve", "7ZK4-09TM", "--as", "noslash"}, {"approve", "deny"}, {"approve", "list", "x"},
		{"token", "revoke"}, {"token", "revoke", "a", "b"}, {"identity", "show"}, {"identity", "create", "noslash"},
		{"enroll"}, {"enroll", "--url", "https://a"}, {"enroll", "--url", "https://a", "--out", "b"}, {"renew"}, {"agent"}, {"check"},
		{"enroll", "--url", "https://a", "--out", "b", "--ip", "x", "--token-file", "t"},
		{"status", "-o", "yaml"}, {"status", "--bogus"}, {"audit", "list", "--since", "yesterday"},
		{"status", "--socket", "s", "--url", "https://a", "--dir", "d"}, {"status", "--socket", "s", "--dir", "d"}, {"status", "--url", "https://a"}, {"audit", "verify", "x", "--key", "a", "--dir", "b"},
	} {
		r := x.run(args...)
		require.Equal(t, exitUsage, r.code, "%q: %s", args, r.stderr)
		require.Empty(t, r.stdout)
		require.True(t, strings.HasPrefix(r.stderr, "error: "), "%q: %s", args, r.stderr)
	}
	for _, args := range [][]string{{}, {"token"}, {"approve"}, {"--help"}, {"enroll", "--help"}, {"completion", "bash"}, {"version"}} {
		r := x.run(args...)
		require.Zero(t, r.code, "%q", args)
		require.NotEmpty(t, r.stdout)
		require.Empty(t, r.stderr)
	}
}

// No flag takes a secret: what could is a file.
func TestNoSecretFlags(t *testing.T) {
	help := newTool(t).ok("enroll", "--help")
	require.Contains(t, help, "--token-file")
	require.NotContains(t, help, "--token ")
	require.Equal(t, exitUsage, newTool(t).run("enroll", "--token", "bt1.a.b").code)
}
