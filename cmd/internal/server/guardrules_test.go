package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/rules"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/signed"
)

const guardPolicy = `
[role.gateway]
[role.device]
[[allow]]
name = "report"
guards = ["gateway"]
peers = ["device/pump-*"]
hl7 = { messages = ["ORU^R01"] }
`

// open verifies what a guard was told.
func (f *fixture) open(id string, text []byte) signed.Statement {
	f.t.Helper()
	guard, err := allow.ParseID(id)
	require.NoError(f.t, err)
	roots := x509.NewCertPool()
	roots.AddCert(f.Issuers.Root())
	s, err := signed.Open(text, guard, roots, f.ca.Now())
	require.NoError(f.t, err)
	return s
}

func (f *fixture) setPolicy(text string) int64 {
	f.t.Helper()
	p, err := f.Registrar.Policies.Set(f.t.Context(), enroll.Daemon(), "policy.toml", []byte(text), enroll.AnyVersion)
	require.NoError(f.t, err)
	return p.Version()
}

func (f *fixture) askRules(c *http.Client, tag, prefer string) (*http.Response, []byte) {
	f.t.Helper()
	return f.do(c, http.MethodGet, f.urls.https+api.PathGuardRules, http.Header{"If-None-Match": {tag}, "Prefer": {prefer}}, nil)
}

// A guard is told its own rules, signed, and no one else's; a machine that is in no
// rule's guards is told that it lets nobody in.
func TestGuardRules(t *testing.T) {
	f := newServer(t, nil)
	version := f.setPolicy(guardPolicy)
	gateway, pump := f.enrolled("gateway/gw-1"), f.enrolled("device/pump-1")
	for _, tt := range []struct {
		own  *tls.Certificate
		want int
	}{{gateway, 1}, {pump, 0}} {
		resp, body := f.askRules(f.client(*tt.own), "", "")
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, api.MediaJOSE, resp.Header.Get("Content-Type"))
		require.NotEmpty(t, resp.Header.Get("ETag"))
		s := f.open(tt.own.Leaf.URIs[0].String(), body)
		require.Equal(t, version, s.Version)
		require.Equal(t, 24*time.Hour, s.Expires.Sub(s.Issued))
		set, err := s.Set()
		require.NoError(t, err)
		require.Len(t, set.Rules(), tt.want)
	}
	resp, body := f.askRules(f.client(), "", "")
	requireProblem(t, resp, body, http.StatusUnauthorized, api.ProblemUnauthenticated)
}

// Who waits is told of a change when it comes, and of none when the wait is over; the
// daemon does not wait for those who wait when it stops.
func TestGuardRulesWait(t *testing.T) {
	f := newServer(t, nil)
	f.setPolicy(guardPolicy)
	gateway := f.enrolled("gateway/gw-1")
	resp, _ := f.askRules(f.client(*gateway), "", "wait=30")
	require.Equal(t, http.StatusOK, resp.StatusCode, "it has none")
	tag := resp.Header.Get("ETag")
	resp, body := f.askRules(f.client(*gateway), tag, "")
	require.Equal(t, http.StatusNotModified, resp.StatusCode)
	require.Empty(t, body)

	answers := make(chan *http.Response, 1)
	go func() {
		resp, body := f.askRules(f.client(*gateway), tag, "respond-async, wait=30")
		if s := f.open(gateway.Leaf.URIs[0].String(), body); s.Rules != "" {
			t.Error("the rule is gone")
		}
		answers <- resp
	}()
	require.Eventually(t, func() bool { return f.waiting.Load() == 1 }, 10*time.Second, time.Millisecond)
	f.setPolicy("[role.gateway]\n")
	resp = <-answers
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NotEqual(t, tag, resp.Header.Get("ETag"))

	tag = resp.Header.Get("ETag")
	go func() {
		resp, _ := f.askRules(f.client(*gateway), tag, "wait=30")
		answers <- resp
	}()
	require.Eventually(t, func() bool { return f.waiting.Load() == 1 }, 10*time.Second, time.Millisecond)
	f.stop()
	require.Equal(t, http.StatusNotModified, (<-answers).StatusCode)
}

// A guard that was revoked while it waited is told nothing.
func TestGuardRulesRevokedMeanwhile(t *testing.T) {
	f := newServer(t, nil)
	f.setPolicy(guardPolicy)
	gateway := f.enrolled("gateway/gw-1")
	resp, _ := f.askRules(f.client(*gateway), "", "")
	answers := make(chan int, 1)
	go func() {
		resp, _ := f.askRules(f.client(*gateway), resp.Header.Get("ETag"), "wait=30")
		answers <- resp.StatusCode
	}()
	require.Eventually(t, func() bool { return f.waiting.Load() == 1 }, 10*time.Second, time.Millisecond)
	f.ca.Advance(1000 * 24 * time.Hour) // its certificate has ended
	f.setPolicy("[role.gateway]\n")
	require.Equal(t, http.StatusForbidden, <-answers)
}

// machine is a certificate, as a guard has one.
type machine struct {
	cert  *tls.Certificate
	roots *x509.CertPool
}

func (m machine) Certificate() *tls.Certificate { return m.cert }
func (m machine) Roots() *x509.CertPool         { return m.roots }

// A change of policy is in force on a guard at once: it waits for it, and takes it.
func TestGuardRulesInForce(t *testing.T) {
	f := newServer(t, nil)
	f.setPolicy("[role.gateway]\n[role.device]\n")
	roots := x509.NewCertPool()
	roots.AddCert(f.Issuers.Root())
	gateway := f.enrolled("gateway/gw-1")
	source, err := rules.Open(rules.Config{URL: f.urls.https, Identity: machine{gateway, roots}, File: filepath.Join(t.TempDir(), "rules.jws"),
		Log: slog.New(slog.DiscardHandler), Now: f.ca.Now})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()
	pump, err := allow.ParseID("spiffe://" + gateway.Leaf.URIs[0].Host + "/device/pump-1")
	require.NoError(t, err)
	for range 3 {
		require.Eventually(t, func() bool { return f.waiting.Load() == 1 }, 20*time.Second, time.Millisecond)
		require.False(t, source.Rules().Admits(pump, "lab"))
		begin := time.Now()
		version := f.setPolicy(guardPolicy)
		require.Eventually(t, func() bool { return source.Rules().Admits(pump, "lab") }, 20*time.Second, time.Millisecond)
		t.Logf("in force after %v", time.Since(begin))
		require.Equal(t, version, source.Status().Version)
		f.setPolicy("[role.gateway]\n[role.device]\n")
		require.Eventually(t, func() bool { return !source.Rules().Admits(pump, "lab") }, 20*time.Second, time.Millisecond)
	}
}

// A wait is what the preference says, at most half a minute.
func TestPreferredWait(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "wait=5": 5 * time.Second, "wait=9999": 30 * time.Second, "handling=lenient, wait=7": 7 * time.Second, "wait=-1": 0, "wait=x": 0, "wait": 0,
	} {
		require.Equal(t, want, preferredWait(&http.Request{Header: http.Header{"Prefer": {text}}}), text)
	}
}
