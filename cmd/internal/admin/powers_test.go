package admin_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// people returns clients of people, each a path, by the owner that answers for them.
func (f *fixture) people(owners map[string]string) map[string]*adminapi.Client {
	f.t.Helper()
	tokens := make(map[string]string)
	for path, owner := range owners {
		role, name, _ := strings.Cut(path, "/")
		tokens[path] = f.Token(enroll.TokenRequest{Role: role, Name: name, Owner: owner})
	}
	clients := make(map[string]*adminapi.Client)
	for path, token := range tokens {
		key := enrolltest.NewKey(f.t)
		cert, err := f.Enroll(f.t.Context(), token, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(f.t, key))
		require.NoError(f.t, err)
		c := adminapi.New("https://"+f.urls.HTTPS, f.tls(tls.Certificate(*f.TLS(cert, key))))
		f.t.Cleanup(c.Close)
		clients[path] = c
	}
	return clients
}

// waiting returns the only proposal that waits, all of it.
func waiting(t *testing.T, c *adminapi.Client) adminapi.Proposal {
	t.Helper()
	page, err := c.Proposals(t.Context(), true, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Empty(t, page.Items[0].Body)
	p, err := c.Proposal(t.Context(), page.Items[0].ID)
	require.NoError(t, err)
	return p
}

// What takes two people waits for the second of them, who sees all of it; root on the
// socket is neither.
func TestTwoPeople(t *testing.T) {
	f := serve(t, os.Getuid())
	all := f.people(map[string]string{"admin/ada": "IT", "officer/bob": "ward 3"})
	req := adminapi.TokenRequest{Role: "admin", Name: "dora", Owner: "lab", Reason: "she is new"}
	_, err := f.root().CreateToken(t.Context(), req)
	require.Equal(t, adminapi.ProblemConsent, problem(t, err).Type)
	_, err = f.root().Disagree(t.Context(), waiting(t, all["officer/bob"]).ID)
	require.Equal(t, adminapi.ProblemForbidden, problem(t, err).Type)
	_, err = all["officer/bob"].Disagree(t.Context(), waiting(t, all["officer/bob"]).ID)
	require.NoError(t, err)

	_, err = all["admin/ada"].CreateToken(t.Context(), req)
	require.Equal(t, http.StatusForbidden, problem(t, err).Status)
	p := waiting(t, all["officer/bob"])
	require.Contains(t, problem(t, err).Detail, p.ID)
	require.Equal(t, []string{"token", "admin/dora", "admin/ada", "open", "she is new"}, []string{p.Kind, p.Subject, p.By, p.State, p.Reason})
	require.Contains(t, string(p.Body), `"owner":"lab"`)
	require.Len(t, p.Consents, 1)
	for name, c := range map[string]*adminapi.Client{"root": f.root(), "herself": all["admin/ada"]} {
		_, err = c.Agree(t.Context(), p.ID, adminapi.AgreeRequest{Digest: p.Digest})
		require.Equal(t, http.StatusForbidden, problem(t, err).Status, name)
	}
	_, err = all["officer/bob"].Agree(t.Context(), p.ID, adminapi.AgreeRequest{Digest: strings.Repeat("0", 64)})
	require.Equal(t, http.StatusConflict, problem(t, err).Status)
	_, err = all["officer/bob"].Agree(t.Context(), "P-0000-0000", adminapi.AgreeRequest{Digest: p.Digest})
	require.Equal(t, http.StatusNotFound, problem(t, err).Status)
	p, err = all["officer/bob"].Agree(t.Context(), strings.ToLower(p.ID), adminapi.AgreeRequest{Digest: p.Digest})
	require.NoError(t, err)
	require.Equal(t, "approved", p.State)
	made, err := all["admin/ada"].CreateToken(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "admin/ada", made.CreatedBy)
}

// A right is lent for a time, and used by the very call that needs it; when the power is
// over it is refused, on record.
func TestLent(t *testing.T) {
	f := serve(t, os.Getuid())
	all := f.people(map[string]string{"operator/otto": "IT", "officer/bob": "ward 3", "auditor/cleo": "audit"})
	otto := all["operator/otto"]
	f.enrolled("device", "SN-1")
	f.enrolled("device", "SN-2")
	revoke := func(name string) error {
		_, err := otto.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/" + name})
		return err
	}
	require.Equal(t, adminapi.ProblemForbidden, problem(t, revoke("SN-1")).Type)
	req := adminapi.PowerRequest{Right: "revocation", For: adminapi.Duration(time.Hour), Reason: "ticket 4711"}
	_, err := otto.RequestPower(t.Context(), req)
	require.Equal(t, adminapi.ProblemConsent, problem(t, err).Type)
	p := waiting(t, all["officer/bob"])
	_, err = all["officer/bob"].Agree(t.Context(), p.ID, adminapi.AgreeRequest{Digest: p.Digest})
	require.NoError(t, err)
	require.Error(t, revoke("SN-1"), "it has not begun")
	power, err := otto.RequestPower(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, []string{p.ID, "operator/otto", "revocation", "officer/bob", "live"}, []string{power.ID, power.Person, power.Right, power.By, power.State})

	require.NoError(t, revoke("SN-1"))
	_, err = otto.Audit(t.Context(), adminapi.AuditFilter{}, adminapi.PageRequest{})
	require.Equal(t, adminapi.ProblemForbidden, problem(t, err).Type, "that right and no other")
	page, err := otto.Powers(t.Context(), true, adminapi.PageRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, page.Items[0].Uses)
	f.Advance(time.Hour)
	require.Equal(t, adminapi.ProblemForbidden, problem(t, revoke("SN-2")).Type)
	require.Equal(t, "active", string(f.Identity("device/SN-2").State))
	page, err = otto.Powers(t.Context(), false, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Equal(t, "over", page.Items[0].State)
}

// Nobody can do all: the auditor is lent nothing, root is no person, and who may change
// anything reviews nothing.
func TestNobodyCanDoAll(t *testing.T) {
	f := serve(t, os.Getuid())
	all := f.people(map[string]string{"admin/ada": "IT", "operator/otto": "IT", "officer/bob": "ward 3", "auditor/cleo": "audit"})
	all["root"] = f.root()
	emergency := adminapi.PowerRequest{For: adminapi.Duration(time.Hour), Reason: "dark"}
	for name, kind := range map[string]string{"auditor/cleo": adminapi.ProblemForbidden, "root": adminapi.ProblemForbidden, "admin/ada": api.ProblemConflict} {
		_, err := all[name].RequestPower(t.Context(), adminapi.PowerRequest{Right: "policy", For: adminapi.Duration(time.Hour), Reason: "x"})
		require.Equal(t, kind, problem(t, err).Type, name)
	}
	for _, name := range []string{"auditor/cleo", "root", "admin/ada"} {
		_, err := all[name].BreakGlass(t.Context(), emergency)
		require.Equal(t, adminapi.ProblemForbidden, problem(t, err).Type, name)
	}
	_, err := all["operator/otto"].RequestPower(t.Context(), adminapi.PowerRequest{Right: "review", For: adminapi.Duration(time.Hour), Reason: "x"})
	require.Equal(t, http.StatusBadRequest, problem(t, err).Status)

	power, err := all["operator/otto"].BreakGlass(t.Context(), emergency)
	require.NoError(t, err)
	require.WithinDuration(t, f.Now().Add(enroll.ReviewWithin), *power.ReviewDue, time.Minute)
	f.enrolled("device", "SN-1")
	_, err = all["operator/otto"].Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/SN-1"})
	require.NoError(t, err)
	_, err = all["operator/otto"].Audit(t.Context(), adminapi.AuditFilter{}, adminapi.PageRequest{})
	require.NoError(t, err)
	policy, err := all["operator/otto"].Policy(t.Context())
	require.NoError(t, err)
	_, err = all["operator/otto"].SetPolicy(t.Context(), adminapi.PolicyRequest{Text: policy.Text + "\n"})
	require.Equal(t, adminapi.ProblemForbidden, problem(t, err).Type, "never policy")
	_, err = all["auditor/cleo"].EndPower(t.Context(), power.ID)
	require.Equal(t, api.ProblemDenied, problem(t, err).Type)
	_, err = all["root"].EndPower(t.Context(), power.ID)
	require.NoError(t, err)
	for _, name := range []string{"admin/ada", "officer/bob", "operator/otto", "root"} {
		_, err = all[name].ReviewPower(t.Context(), power.ID, adminapi.ReviewRequest{Word: "fine"})
		require.Equal(t, adminapi.ProblemForbidden, problem(t, err).Type, name)
	}
	power, err = all["auditor/cleo"].ReviewPower(t.Context(), power.ID, adminapi.ReviewRequest{Word: "fine"})
	require.NoError(t, err)
	require.Equal(t, "auditor/cleo", power.ReviewedBy)
}

// Whoever reads the log, or what guards wrote down, is on record with what he asked for,
// on every page.
func TestReadsAreOnRecord(t *testing.T) {
	f := serve(t, os.Getuid())
	_, err := f.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: f.tls(f.enrolled("auditor", "alice"))}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for path, action := range map[string]string{
		"audit?subject=device/SN-1&limit=1": "audit.read", "audit/export": "audit.export", "records?identity=gateway/gw": "audit.records",
		"audit/reviews": "audit.read",
	} {
		before := len(f.Audit(action))
		for n := range 2 {
			n += before
			status, text := f.request(c, "GET", path, nil, "")
			require.Equal(t, http.StatusOK, status, text)
			read := f.Audit(action)
			require.Len(t, read, n+1)
			_, query, _ := strings.Cut(path, "?")
			require.Equal(t, []string{"auditor/alice", "127.0.0.1"}, []string{read[n].Actor, read[n].Address})
			require.Equal(t, strings.ReplaceAll(query, "/", "%2F"), reorder(read[n].Detail["query"]))
		}
	}
}

// Whoever reads of machines, tokens, policy or status is on record once an hour for each
// thing that he reads, and others beside him.
func TestInventoryReadsAreOnRecord(t *testing.T) {
	f := serve(t, os.Getuid())
	f.enrolled("device", "c")
	clients := make(map[string]*http.Client)
	for _, name := range []string{"alice", "bob"} {
		transport := &http.Transport{TLSClientConfig: f.tls(f.enrolled("operator", name))}
		defer transport.CloseIdleConnections()
		clients["operator/"+name] = &http.Client{Transport: transport}
	}
	want := []string{}
	for _, path := range []string{"tokens", "requests", "proposals", "powers", "identities?role=device", "identities/device/c", "certificates", "policy", "status"} {
		for _, name := range []string{"operator/alice", "operator/bob"} {
			for range 3 {
				status, text := f.request(clients[name], "GET", path, nil, "")
				require.Equal(t, http.StatusOK, status, text)
			}
			request, query, _ := strings.Cut(path, "?")
			want = append(want, name+" GET "+adminapi.Prefix+request+" "+strings.ReplaceAll(query, "/", "%2F"))
		}
	}
	got := []string{}
	for _, e := range f.Audit("admin.read") {
		got = append(got, fmt.Sprint(e.Actor, " ", e.Detail["request"], " ", e.Detail["query"]))
	}
	require.Equal(t, want, got)
}

// reorder puts the limit of a query at its end.
func reorder(query any) string {
	text := fmt.Sprint(query)
	if rest, ok := strings.CutPrefix(text, "limit=1&"); ok {
		return rest + "&limit=1"
	}
	return text
}

// Each call that changes something leaves an entry of the caller's in the log: those of
// requests, proposals, powers, reviews and acknowledgements in their own tests.
func TestChangesAreOnRecord(t *testing.T) {
	f := serve(t, os.Getuid())
	transport := &http.Transport{TLSClientConfig: f.tls(f.enrolled("admin", "alice"))}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	f.enrolled("device", "c")
	token, err := f.root().CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "z"})
	require.NoError(t, err)
	done := make(map[string]bool)
	for _, tt := range []struct{ verb, path, body, action string }{
		{"POST tokens", "", `{"role":"device","name":"a"}`, "token.create"},
		{"DELETE tokens/{id}", "tokens/" + token.ID, "", "token.revoke"},
		{"POST identities", "", `{"role":"device","name":"b"}`, "identity.create"},
		{"POST identities/import", "", `{"role":"device","lines":[{"serial":"7"}]}`, "identity.import"},
		{"POST identities/{role}/{name}/attest", "identities/device/b/attest", `{}`, "identity.attest"},
		{"POST identities/{role}/{name}/suspend", "identities/device/c/suspend", "", "identity.suspend"},
		{"POST identities/{role}/{name}/resume", "identities/device/c/resume", "", "identity.resume"},
		{"POST identities/{role}/{name}/cut", "identities/device/c/cut", `{}`, "identity.suspend"},
		{"POST identities/{role}/{name}/resume", "identities/device/c/resume", "", "identity.resume"},
		{"POST identities/{role}/{name}/retire", "identities/device/c/retire", "", "identity.retire"},
		{"POST revocations", "", `{"identity":"device/b"}`, "identity.revoke"},
		{"POST revocations/batch", "", `{"items":[{"identity":"device/a"}]}`, "identity.revoke"},
		{"POST alerts/quiet", "", `{"site":"north","until":"` + f.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","reason":"new pumps"}`, "alert.quiet"},
		{"PUT policy", "", `{"text":"[role.device]\nlifetime = '1h'\nnames = ['a']\n[role.gateway]\nfork = 'refuse'\n"}`, "policy.change"},
	} {
		method, path, _ := strings.Cut(tt.verb, " ")
		if tt.path != "" {
			path = tt.path
		}
		before := len(f.Audit(tt.action))
		status, text := f.request(c, method, path, http.Header{"Content-Type": {"application/json"}}, tt.body)
		require.Less(t, status, 300, "%s: %s", tt.verb, text)
		entries := f.Audit(tt.action)
		require.Len(t, entries, before+1, tt.verb)
		require.Equal(t, "admin/alice", entries[before].Actor)
		done[tt.verb] = true
	}
	for verb := range may {
		if !strings.HasPrefix(verb, "GET ") && !strings.Contains(verb, " requests/") && !strings.Contains(verb, " proposals") && !strings.Contains(verb, " powers") && !strings.Contains(verb, " compliance/") && verb != "POST alerts/{id}/acknowledge" && verb != "POST audit/review" && verb != "POST policy/test" {
			require.True(t, done[verb], verb)
		}
	}
}
