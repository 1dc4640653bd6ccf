package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A ward is a CA, and the machines and guards of it.
type ward struct {
	testing.TB
	*daemon
	admin *adminapi.Client
	roots *x509.CertPool
}

// newWard starts a CA whose lists are where its certificates say.
func newWard(t testing.TB) *ward {
	at := "127.0.0.1:" + freePort(t)
	dir := newCA(t, "--url", "http://"+at)
	d, err := startAt(dir, addresses{HTTPS: "127.0.0.1:0", HTTP: at, Ops: "127.0.0.1:0"})
	require.NoError(t, err)
	w := &ward{TB: t, daemon: d, roots: rootsOf(t, dir)}
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", d.log.tail())
		}
	})
	w.admin = d.admin(t)
	return w
}

// A machine is an identity of a ward, with a directory as betonica enroll writes it.
type machine struct {
	name, dir string // device/pump-1
}

func (w *ward) enrol(role, name string) machine {
	w.Helper()
	token, err := w.admin.CreateToken(w.Context(), adminapi.TokenRequest{Role: role, Name: name})
	require.NoError(w, err)
	dir := w.TempDir()
	file := filepath.Join(dir, "token")
	require.NoError(w, os.WriteFile(file, []byte(token.Secret), 0o600))
	m := machine{role + "/" + name, filepath.Join(dir, "m")}
	run(w, "betonica", "enroll", "--url", "https://"+w.HTTPS, "--token-file", file, "--out", m.dir)
	return m
}

// id is the machine's SPIFFE ID.
func (m machine) id() string { return "spiffe://" + trustDomain + "/" + m.name }

func (m machine) pair(t testing.TB) tls.Certificate {
	pair, err := tls.LoadX509KeyPair(m.dir+"/current/cert.pem", m.dir+"/current/key.pem")
	require.NoError(t, err)
	return pair
}

// adopt adds to the policy, which is in force then.
func (w *ward) adopt(more string) {
	w.Helper()
	p, err := w.admin.Policy(w.Context())
	require.NoError(w, err)
	_, err = w.admin.SetPolicy(w.Context(), adminapi.PolicyRequest{Text: p.Text + more})
	require.NoError(w, err)
}

func (w *ward) revoke(m machine) {
	w.Helper()
	_, err := w.admin.Revoke(w.Context(), adminapi.RevokeRequest{Identity: m.name, Reason: "keyCompromise"})
	require.NoError(w, err)
}

// A sentry is a running betonica guard of one machine.
type sentry struct {
	*process
	w       *ward
	machine machine
	journal string
	at      struct {
		Routes map[string]string `json:"routes"`
		Ops    string            `json:"ops"`
	}
}

// allowed is what the rules of a test allow to every device, unless it has its own.
const allowed = `
[[allow]]
name = "http"
peers = ["device", "visitor"]
http = {}

[[allow]]
name = "tcp"
peers = ["device", "visitor"]
tcp = true

[[allow]]
name = "hl7"
peers = ["device"]
hl7 = {}

[[allow]]
name = "dicom"
peers = ["device"]
dicom = {}
`

// before starts a guard before an application, and ends it with the test.
func (w *ward) before(m machine, backend string, args ...string) *sentry {
	w.Helper()
	rules := filepath.Join(w.TempDir(), "rules.toml")
	require.NoError(w, os.WriteFile(rules, []byte(allowed), 0o600))
	return w.guard(m, append([]string{"server", "--dir", m.dir, "--listen", "127.0.0.1:0", "--backend", backend, "--rules", rules, "--ops", "127.0.0.1:0"}, args...)...)
}

// beside starts a guard beside a client of another guard.
func (w *ward) beside(m machine, scheme string, to *sentry, args ...string) *sentry {
	w.Helper()
	return w.guard(m, append([]string{
		"client", "--dir", m.dir, "--listen", "127.0.0.1:0", "--connect", scheme + "://" + to.address(),
		"--expect", to.machine.id(), "--id-only", "--ops", "127.0.0.1:0",
	}, args...)...)
}

// guard starts betonica guard with these arguments.
func (w *ward) guard(m machine, args ...string) *sentry {
	w.Helper()
	ready := filepath.Join(w.TempDir(), "ready.json")
	cmd, err := command("betonica", append([]string{"guard"}, append(args, "--ready", ready)...)...)
	require.NoError(w, err)
	s := &sentry{w: w, machine: m, journal: filepath.Join(m.dir, "journal")}
	s.process, err = begin(cmd)
	require.NoError(w, err)
	w.Cleanup(func() {
		s.kill()
		if w.Failed() {
			w.Logf("the guard of %s said:\n%s", m.name, s.log.tail())
		}
	})
	require.NoError(w, s.await(ready, &s.at), "%s", s.log)
	return s
}

// address is where the only route listens.
func (s *sentry) address() string {
	for _, a := range s.at.Routes {
		return a
	}
	return ""
}

// dial connects to the only route as a machine that has no guard.
func (s *sentry) dial(pair tls.Certificate) (*tls.Conn, error) { return dialTLS(s.address(), pair) }

func dialTLS(address string, pair tls.Certificate) (*tls.Conn, error) {
	return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
}

// A held is what a guard has open.
type held struct{ connections, files, goroutines int }

func (s *sentry) holds() held {
	s.w.Helper()
	h := held{connections: -1}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	require.NoError(s.w, err)
	h.files = len(entries)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + s.at.Ops + "/metrics")
	require.NoError(s.w, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.w, err)
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "betonica_guard_connections %d", &h.connections)
		fmt.Sscanf(line, "go_goroutines %d", &h.goroutines)
	}
	require.Positive(s.w, h.goroutines)
	return h
}
