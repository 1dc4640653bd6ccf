package admin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/admin"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/comply"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/cmd/internal/watch"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/attest"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/join"
	"github.com/betonica/betonica/enroll/renew"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store/compliance"
)

// A fixture is a CA that answers its admin API on a socket and over mutual TLS.
type fixture struct {
	*enrolltest.CA
	enforcement *enforcement.Registry
	urls        adminapi.URLs
	t           *testing.T
}

// serve serves a CA until the test ends. uid is the daemon's own user, who may use
// the socket beside root.
func serve(t *testing.T, uid int) *fixture {
	f := &fixture{CA: enrolltest.New(t), t: t}
	dir := t.TempDir()
	config := "[server]\nhttps='127.0.0.1:0'\nhttp='127.0.0.1:0'\nops='127.0.0.1:0'"
	require.NoError(t, os.WriteFile(filepath.Join(dir, server.ConfigFile), []byte(config), 0o600))
	c, err := server.ReadConfig(dir)
	require.NoError(t, err)
	l, err := server.Listen(c)
	require.NoError(t, err)
	f.urls = l.URLs()

	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w := revoketest.New(t, f.CA)
	f.enforcement = w.Enforcement
	a := admin.New(admin.Config{
		Compliance: comply.New(comply.Config{
			Store: f.Store, Policies: f.Policies, TrustDomain: enrolltest.TrustDomain, Now: f.Now, Log: log,
			System: func(context.Context) compliance.System { return compliance.System{} },
		}),
		Watch:     watch.New(watch.Config{Store: f.Store, Registrar: f.Registrar, Name: "test", Now: f.Now, Log: log}),
		Registrar: f.Registrar, Store: f.Store, Issuers: f.Issuers, Issuance: noRotation, Deliveries: noDeliveries, Revoker: w.Revoker, Enforcement: w.Enforcement, UID: uint32(uid),
		Version: "test", Started: f.Now(), URLs: f.urls, Ready: f.Store.Health, Log: log,
	})
	s := &server.Server{
		Join: &join.Handler{Registrar: f.Registrar}, Renew: &renew.Handler{Registrar: f.Registrar}, Attest: &attest.Handler{Registrar: f.Registrar},
		Registrar: f.Registrar, Issuers: f.Issuers, Publishers: w.Publishers, Responder: w.Responder, Enforcement: w.Enforcement, Admin: a.MTLS(), AdminSocket: a.Socket(),
		Certificate: &server.Certificate{
			Issue: func(ctx context.Context) (tls.Certificate, error) {
				dns, ips := server.SplitNames(c.Server.Names)
				return f.Self(ctx, "betonicad", dns, ips)
			},
			Now: f.Now, Log: log,
		},
		Ready: f.Store.Health, Metrics: server.NewMetrics(), Log: log,
	}
	require.NoError(t, s.Certificate.Renew(t.Context()))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	return f
}

// root returns a client on the socket.
func (f *fixture) root() *adminapi.Client {
	c := adminapi.Unix(f.urls.Socket)
	f.t.Cleanup(c.Close)
	return c
}

// enrolled returns a certificate of a new identity.
func (f *fixture) enrolled(role, name string) tls.Certificate {
	f.t.Helper()
	key := enrolltest.NewKey(f.t)
	token := f.Token(enroll.TokenRequest{Role: role, Name: name})
	cert, err := f.Enroll(f.t.Context(), token, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(f.t, key))
	require.NoError(f.t, err)
	return *f.TLS(cert, key)
}

// tls is how a caller with these certificates reaches the CA.
func (f *fixture) tls(own ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(f.Authority.Root())
	return &tls.Config{RootCAs: roots, Certificates: own}
}

// as returns a client with a new certificate of that role.
func (f *fixture) as(role string) *adminapi.Client {
	f.t.Helper()
	c := adminapi.New("https://"+f.urls.HTTPS, f.tls(f.enrolled(role, "alice")))
	f.t.Cleanup(c.Close)
	return c
}

// problem returns the problem that a call came back with.
func problem(t *testing.T, err error) *adminapi.Problem {
	t.Helper()
	var p *adminapi.Problem
	require.ErrorAs(t, err, &p)
	return p
}

// Tokens are made, listed without their secret, and revoked; every step is on
// record with its actor.
func TestTokens(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	made, err := root.CreateToken(t.Context(), adminapi.TokenRequest{
		Role: "device", Name: "SN-*", TTL: adminapi.Duration(30 * time.Minute), Uses: 3, Owner: "icu", Network: "127.0.0.0/8",
	})
	require.NoError(t, err)
	require.Regexp(t, `^bt1\.`, made.Secret)
	require.Equal(t, adminapi.Token{
		ID: made.ID, Role: "device", Name: "SN-*", Pattern: true, MaxUses: 3, Owner: "icu", Network: "127.0.0.0/8",
		Created: made.Created, Expires: made.Created.Add(30 * time.Minute), CreatedBy: fmt.Sprintf("uid:%d", os.Getuid()),
	}, made.Token)

	page, err := root.Tokens(t.Context(), adminapi.TokenFilter{Role: "device", Open: true}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Equal(t, []adminapi.Token{made.Token}, page.Items)
	require.NoError(t, root.RevokeToken(t.Context(), made.ID))
	page, err = root.Tokens(t.Context(), adminapi.TokenFilter{Open: true}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Empty(t, page.Items)

	p := problem(t, root.RevokeToken(t.Context(), "00112233445566778899aabbccddeeff"))
	require.Equal(t, http.StatusNotFound, p.Status)
	require.Contains(t, p.Detail, "token 00112233445566778899aabbccddeeff")

	key := "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
	bound, err := root.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1", SPKI: key})
	require.NoError(t, err)
	require.Equal(t, key, bound.SPKI)
	for _, action := range []string{"token.create", "token.revoke"} {
		for _, e := range f.Audit(action) {
			require.Equal(t, fmt.Sprintf("uid:%d", os.Getuid()), e.Actor)
			require.NotEmpty(t, e.RequestID)
			require.NotContains(t, fmt.Sprint(e), made.Secret)
		}
		require.NotEmpty(t, f.Audit(action))
	}
}

// An identity goes its way from pending to retired, and is found by each filter.
func TestIdentities(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	made, err := root.CreateIdentity(t.Context(), adminapi.IdentityRequest{
		Role: "device", Name: "SN-1", Owner: "icu", DNSNames: []string{"sn-1.devices.example"}, IPs: []string{"10.0.0.1"},
	})
	require.NoError(t, err)
	require.Equal(t, "spiffe://hospital.example/device/SN-1", made.ID)
	require.Equal(t, "pending", made.State)
	require.Equal(t, []string{"sn-1.devices.example"}, made.DNSNames)
	require.Equal(t, []string{"10.0.0.1"}, made.IPs)

	f.enrolled("device", "SN-2")
	for _, step := range []struct {
		move  func(context.Context, string) (adminapi.Identity, error)
		state string
	}{{root.Suspend, "suspended"}, {root.Resume, "active"}, {root.Retire, "retired"}} {
		id, err := step.move(t.Context(), "device/SN-2")
		require.NoError(t, err)
		require.Equal(t, step.state, id.State)
		id, err = root.Identity(t.Context(), "device/SN-2")
		require.NoError(t, err)
		require.Equal(t, step.state, id.State)
	}
	_, err = root.Resume(t.Context(), "device/SN-2")
	require.Equal(t, http.StatusConflict, problem(t, err).Status)
	_, err = root.Identity(t.Context(), "device/SN-3")
	require.Equal(t, "identity device/SN-3 is not on record", problem(t, err).Detail)
	_, err = root.Suspend(t.Context(), "device/SN-3")
	require.Equal(t, http.StatusNotFound, problem(t, err).Status)

	for _, tt := range []struct {
		filter adminapi.IdentityFilter
		want   []string
	}{
		{adminapi.IdentityFilter{Role: "device"}, []string{"device/SN-1", "device/SN-2"}},
		{adminapi.IdentityFilter{State: "pending"}, []string{"device/SN-1"}},
		{adminapi.IdentityFilter{Owner: "icu"}, []string{"device/SN-1"}},
		{adminapi.IdentityFilter{Role: "device", Search: "SN-2"}, []string{"device/SN-2"}},
		{adminapi.IdentityFilter{Role: "gateway"}, nil},
	} {
		var got []string
		list := func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Identity], error) {
			p.Limit = 1 // so that pages follow each other
			return root.Identities(ctx, tt.filter, p)
		}
		for id, err := range adminapi.All(t.Context(), list) {
			require.NoError(t, err)
			got = append(got, id.Path)
		}
		require.Equal(t, tt.want, got, "%+v", tt.filter)
	}
}

// A certificate tells where it comes from, and what became of it.
func TestCertificates(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	f.enrolled("device", "SN-1")
	token, err := root.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1", Replace: true})
	require.NoError(t, err)
	cert, err := f.Enroll(t.Context(), token.Secret, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)

	page, err := root.Certificates(t.Context(), adminapi.CertificateFilter{Identity: "device/SN-1"}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	newest, first := page.Items[0], page.Items[1]
	require.Nil(t, newest.Revoked)
	require.Equal(t, "superseded", first.Revoked.Reason)
	require.Equal(t, token.ID, newest.Token)
	require.Equal(t, "token", newest.Method)
	require.Empty(t, newest.PEM)

	shown, err := root.Certificate(t.Context(), newest.Serial)
	require.NoError(t, err)
	require.Contains(t, shown.PEM, "BEGIN CERTIFICATE")
	require.Equal(t, cert.NotAfter.UTC(), shown.NotAfter)
	live, err := root.Certificates(t.Context(), adminapi.CertificateFilter{Identity: "device/SN-1", Live: true}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Equal(t, []adminapi.Certificate{newest}, live.Items)

	_, err = root.Certificate(t.Context(), "00112233445566778899aabbccddeeff")
	require.Equal(t, http.StatusNotFound, problem(t, err).Status)
}

// A policy replaces the one that it was made from, and one with a mistake
// changes nothing and says where the mistake is.
func TestPolicy(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	old, err := root.Policy(t.Context())
	require.NoError(t, err)
	require.Equal(t, enrolltest.Policy, old.Text)

	_, err = root.SetPolicy(t.Context(), adminapi.PolicyRequest{Text: "[role.device]\nlifetimes = '1h'"})
	p := problem(t, err)
	require.Equal(t, http.StatusBadRequest, p.Status)
	require.Contains(t, p.Detail, "policy.toml:2:1")

	next, err := root.SetPolicy(t.Context(), adminapi.PolicyRequest{Text: "[role.pump]", Replaces: old.Version})
	require.NoError(t, err)
	require.Equal(t, old.Version+1, next.Version)
	require.Equal(t, fmt.Sprintf("uid:%d", os.Getuid()), next.Actor)
	_, err = root.SetPolicy(t.Context(), adminapi.PolicyRequest{Text: "[role.valve]", Replaces: old.Version})
	require.Equal(t, http.StatusConflict, problem(t, err).Status)
	require.Contains(t, f.Policies.Current().Roles(), "pump")
}

// Status counts what is on record.
func TestStatus(t *testing.T) {
	f := serve(t, os.Getuid())
	f.enrolled("device", "SN-1")
	_, err := f.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	s, err := f.root().Status(t.Context())
	require.NoError(t, err)
	require.True(t, s.Ready)
	require.Equal(t, "hospital.example", s.TrustDomain)
	require.Equal(t, map[string]int64{"active": 2}, s.Identities)
	require.Equal(t, int64(2), s.Certificates)
	require.Equal(t, int64(1), s.Policy)
	require.Equal(t, s.Entries, s.Checkpointed+1) // that the status was read
	require.Equal(t, f.urls, s.URLs)
	require.Equal(t, f.Authority.IssuerID(), s.Issuer.KeyID)
	require.Len(t, s.Replicas, 1)
	require.True(t, s.Replicas[0].Live && s.Replicas[0].Eldest && s.Replicas[0].Self)
}

// request sends a request by hand, over mutual TLS as an admin.
func (f *fixture) request(c *http.Client, method, path string, header http.Header, body string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, "https://"+f.urls.HTTPS+adminapi.Prefix+path, bytes.NewReader([]byte(body)))
	require.NoError(f.t, err)
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := c.Do(req)
	require.NoError(f.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return resp.StatusCode, string(text)
}

// A request that is not quite right is refused, not guessed at.
func TestBadRequests(t *testing.T) {
	f := serve(t, os.Getuid())
	transport := &http.Transport{TLSClientConfig: f.tls(f.enrolled("admin", "alice"))}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	asJSON := http.Header{"Content-Type": {"application/json"}}
	for _, tt := range []struct {
		method, path string
		header       http.Header
		body         string
		status       int
		says         string
	}{
		{"GET", "identities?sate=active", nil, "", 400, "sate"},
		{"GET", "identities?state=alive", nil, "", 400, "state"},
		{"GET", "identities?role=a&role=b", nil, "", 400, "twice"},
		{"GET", "identities?limit=0", nil, "", 400, "limit"},
		{"GET", "identities?limit=1001", nil, "", 400, "limit"},
		{"GET", "tokens?page_token=x", nil, "", 400, "page_token"},
		{"GET", "tokens?open=perhaps", nil, "", 400, "open"},
		{"GET", "tokens?%zz", nil, "", 400, "query"},
		{"GET", "certificates?live=1", nil, "", 400, "live"},
		{"GET", "certificates/xyz", nil, "", 400, "serial"},
		{"GET", "audit?since=yesterday", nil, "", 400, "since"},
		{"GET", "audit/export?from=0", nil, "", 400, "from"},
		{"GET", "audit/export?from=3&to=2", nil, "", 400, "from"},
		{"GET", "audit/export?to=1000000", nil, "", 409, "checkpoint"},
		{"DELETE", "tokens/xyz", nil, "", 400, "id"},
		{"DELETE", "tokens", nil, "", 405, "method"},
		{"GET", "nothing", nil, "", 404, "URL"},
		{"POST", "tokens", nil, `{"role":"device","name":"x"}`, 415, "JSON"},
		{"POST", "tokens", asJSON, `{"role":"device","nmae":"x"}`, 400, "nmae"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","role":"service"}`, 400, "ROLE"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","ttl":"soon"}`, 400, ""},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","ttl":"25h"}`, 400, "24h"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","uses":2}`, 400, "uses"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"SN-*","eab":true}`, 400, "eab"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","uses":2,"replace":true,"eab":true}`, 400, "eab"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","network":"10.0.0.1"}`, 400, "network"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","network":"10.0.0.1/8"}`, 400, "network"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","spki":"00"}`, 400, "spki"},
		{"POST", "tokens", asJSON, `{"role":"device","name":"x","spki":"` + strings.Repeat("0", 66) + `"}`, 400, "spki"},
		{"POST", "tokens", asJSON, `{"role":"ghost","name":"x"}`, 403, "ghost"},
		{"POST", "tokens", asJSON, `{"role":"ca","name":"x"}`, 403, "reserved"},
		{"POST", "tokens", asJSON, `{"role":"admin","name":"bob"}`, 403, "root"},
		{"POST", "identities", asJSON, `{"role":"device","name":"a/b"}`, 403, ""},
		{"POST", "identities", asJSON, `{"role":"device","name":"x","ips":["here"]}`, 400, "here"},
		{"POST", "identities/admin/alice/suspend", nil, "", 403, "root"},
		{"PUT", "policy", asJSON, `{"text":"` + string(bytes.Repeat([]byte{'#'}, adminapi.MaxBody)) + `"}`, 413, "larger"},
		{"POST", "identities/device/x/retire", http.Header{"Sec-Fetch-Site": {"cross-site"}}, "", 403, "another site"},
	} {
		status, text := f.request(c, tt.method, tt.path, tt.header, tt.body)
		require.Equal(t, tt.status, status, "%s %s %.80s: %s", tt.method, tt.path, tt.body, text)
		require.Contains(t, text, tt.says, "%s %s %.80s", tt.method, tt.path, tt.body)
	}
}

// noRotation is a CA with one intermediate.
func noRotation(context.Context) ([]adminapi.Intermediate, *adminapi.Rotation, error) {
	return []adminapi.Intermediate{{State: "issues"}}, nil, nil
}

// noDeliveries is a CA whose log goes nowhere.
func noDeliveries(context.Context) ([]adminapi.Delivery, error) { return nil, nil }
