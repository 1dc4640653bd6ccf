package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/revoke/revoketest"
)

// startNumber is the number of the newest list when those are signed that are signed by
// themselves: a full one, its delta, and one more for what may have been revoked before the
// publisher ran.
const startNumber = 3

var asJSON = http.Header{"Content-Type": {"application/json"}}

// enrolled returns a certificate of a new identity.
func (f *fixture) enrolled(path string) *tls.Certificate {
	f.t.Helper()
	role, name, _ := strings.Cut(path, "/")
	key := enrolltest.NewKey(f.t)
	token := f.ca.Token(enroll.TokenRequest{Role: role, Name: name})
	cert, err := f.ca.Enroll(f.t.Context(), token, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(f.t, key))
	require.NoError(f.t, err)
	return f.ca.TLS(cert, key)
}

// report is the body of a good report.
func (f *fixture) report() string {
	return fmt.Sprintf(`{"issuer":%q,"number":%d,"enforced_at":%q,"connections":4,"max_age":1800}`,
		f.Issuers.Current().IssuerID(), f.Publishers.Signed()[f.Issuers.Current().IssuerID()], f.ca.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (f *fixture) send(c *http.Client, body string) (*http.Response, []byte) {
	f.t.Helper()
	return f.do(c, http.MethodPost, f.urls.https+pathEnforcement, asJSON.Clone(), []byte(body))
}

func (f *fixture) known() enforcement.Summary {
	f.t.Helper()
	s, err := f.Enforcement.Summary(f.t.Context(), 100)
	require.NoError(f.t, err)
	return s
}

// Whoever presents a certificate is heard under its name, and from its address;
// what it says of itself in the body is its number.
func TestEnforcement(t *testing.T) {
	f := newServer(t, nil)
	f.Metrics.CollectEnforcement(f.Enforcement)
	c := f.client(*f.enrolled("gateway/icu"))
	require.Eventually(t, func() bool { return f.Publishers.Signed()[f.Issuers.Current().IssuerID()] == startNumber }, testPatience, testTick)
	resp, body := f.send(c, f.report())
	require.Equal(t, http.StatusNoContent, resp.StatusCode, "%s", body)
	require.Empty(t, body)
	s := f.known()
	require.Len(t, s.Parties, 1)
	p := s.Parties[0]
	require.Equal(t, []any{"gateway/icu", "127.0.0.1", f.Publishers.Signed()[f.Issuers.Current().IssuerID()], int64(4), true},
		[]any{p.Identity, p.Address, p.Number, p.Connections, p.Connected})

	age, err := f.Enforcement.MaxAge(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, 30*time.Minute, age)

	_, text := f.get(f.urls.ops + "/metrics")
	for _, line := range []string{
		`betonica_relying_parties{state="connected"} 1`, `betonica_relying_parties{state="silent"} 0`, `betonica_relying_parties_lagging 0`,
		`betonica_relying_parties_rest 0`, `betonica_relying_party_lag{identity="gateway/icu"} 0`,
		`betonica_relying_party_report_age_seconds{identity="gateway/icu"}`, `betonica_enforcement_refused_total 0`,
	} {
		require.Contains(t, string(text), line)
	}
}

// What is no report is answered with what is wrong with it, and with nothing about
// us; it is not believed in part.
func TestBadReports(t *testing.T) {
	f := newServer(t, nil)
	c := f.client(*f.enrolled("gateway/icu"))
	good := f.report()
	number := fmt.Sprintf(`"number":%d`, f.Publishers.Signed()[f.Issuers.Current().IssuerID()])
	change := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, new, 1)
	}
	future := func(d time.Duration) string {
		return fmt.Sprintf(`{"issuer":%q,%s,"enforced_at":%q}`, f.Issuers.Current().IssuerID(), number, f.ca.Now().Add(d).Format(time.RFC3339))
	}
	for name, tt := range map[string]struct {
		body   string
		status int
		kind   string
	}{
		"empty":                {"", 400, api.ProblemMalformed},
		"no JSON":              {"hello", 400, api.ProblemMalformed},
		"null":                 {"null", 400, api.ProblemMalformed},
		"an array":             {"[" + good + "]", 400, api.ProblemMalformed},
		"cut off":              {good[:len(good)/2], 400, api.ProblemMalformed},
		"two":                  {good + good, 400, api.ProblemMalformed},
		"deep":                 {strings.Repeat(`{"a":`, 5000), 400, api.ProblemMalformed},
		"huge":                 {`{"issuer":"` + strings.Repeat("a", api.MaxBody) + `"}`, 413, api.ProblemMalformed},
		"an unknown member":    {change(`{`, `{"identity":"gateway/other",`), 400, api.ProblemMalformed},
		"a member twice":       {change(`{`, `{"number":1,`), 400, api.ProblemMalformed},
		"no issuer":            {change(f.Issuers.Current().IssuerID(), ""), 400, api.ProblemMalformed},
		"an unknown issuer":    {change(f.Issuers.Current().IssuerID(), strings.Repeat("00", 20)), 404, api.ProblemNotFound},
		"the root":             {change(f.Issuers.Current().IssuerID(), f.Issuers.Current().RootID()), 404, api.ProblemNotFound},
		"no number":            {change(number, `"number":0`), 400, api.ProblemMalformed},
		"a negative number":    {change(number, `"number":-1`), 400, api.ProblemMalformed},
		"a fraction":           {change(number, `"number":1.5`), 400, api.ProblemMalformed},
		"a number too large":   {change(number, `"number":99999999999999999999`), 400, api.ProblemMalformed},
		"a number in text":     {change(number, `"number":"1"`), 400, api.ProblemMalformed},
		"a number not signed":  {change(number, `"number":9223372036854775807`), 409, api.ProblemConflict},
		"negative connections": {change(`"connections":4`, `"connections":-4`), 400, api.ProblemMalformed},
		"no time":              {fmt.Sprintf(`{"issuer":%q,%s}`, f.Issuers.Current().IssuerID(), number), 400, api.ProblemMalformed},
		"no time at all":       {change(`"enforced_at":"`, `"enforced_at":"x`), 400, api.ProblemMalformed},
		"a time in the future": {future(time.Hour), 400, api.ProblemMalformed},
	} {
		resp, body := f.send(c, tt.body)
		requireDiscreet(t, requireProblem(t, resp, body, tt.status, tt.kind))
		require.Zero(t, f.known().Known, name)
	}
	resp, body := f.do(c, http.MethodPost, f.urls.https+pathEnforcement, nil, []byte(good))
	requireProblem(t, resp, body, 415, api.ProblemMalformed)
	resp, _ = f.do(c, http.MethodGet, f.urls.https+pathEnforcement, nil, nil)
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	require.Equal(t, int64(1), f.known().Refused)
	require.Len(t, f.ca.Audit("enforcement.refuse"), 1)
	resp, body = f.send(c, good)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, "%s", body)
}

// Nobody reports without a certificate of ours that is good at this moment: a
// connection may outlive it.
func TestVoidReporters(t *testing.T) {
	f := newServer(t, nil)
	resp, body := f.send(f.client(), f.report())
	requireProblem(t, resp, body, 401, api.ProblemUnauthenticated)

	thief := f.client(*f.enrolled("gateway/thief"))
	resp, _ = f.send(thief, f.report())
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	revoker := &revoke.Revoker{Store: f.ca.Store, Log: f.Log}
	_, err := revoker.Identity(t.Context(), revoketest.Root, "gateway/thief", revoke.Order{})
	require.NoError(t, err)
	resp, body = f.send(thief, f.report())
	requireProblem(t, resp, body, 403, api.ProblemDenied)
	require.Zero(t, f.known().Known, "it is not told of any more")

	late := f.client(*f.enrolled("gateway/late"))
	resp, _ = f.send(late, f.report())
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	f.ca.Advance(100 * 24 * time.Hour)
	resp, body = f.send(late, f.report())
	requireProblem(t, resp, body, 403, api.ProblemDenied)
}

// No body brings forth an error of ours, or a number that it does not have.
func FuzzReport(f *testing.F) {
	s := newServer(f, nil)
	cert := s.enrolled("gateway/icu").Leaf
	f.Add([]byte(s.report()))
	f.Add([]byte(`{"issuer":"ISSUER","number":1,"enforced_at":"2026-01-01T00:00:00Z","connections":1}`))
	f.Add([]byte(`{"issuer":"","number":-1,"enforced_at":"0000-00-00T00:00:00Z"}`))
	f.Add([]byte(`{"number":1e30}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, pathEnforcement, bytes.NewReader(bytes.ReplaceAll(body, []byte("ISSUER"), []byte(s.Issuers.Current().IssuerID()))))
		r.Header.Set("Content-Type", api.MediaJSON)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		if err := s.enforcement(httptest.NewRecorder(), r); err != nil {
			require.Less(t, problemOf(err).Status, 500, "%v", err)
		}
		known, err := s.Enforcement.Summary(t.Context(), 1)
		require.NoError(t, err)
		for _, p := range known.Parties {
			require.LessOrEqual(t, p.Number, s.Publishers.Signed()[s.Issuers.Current().IssuerID()])
		}
	})
}
