package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// The token alone is on stdout, and what there is to know about it on stderr.
func TestTokenCreate(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.says(http.StatusCreated, adminapi.NewToken{Secret: "bt1.secret.root", Token: adminapi.Token{ID: "ab12", Role: "device", Name: "pump-7", MaxUses: 1, Expires: noon.Add(90 * time.Minute)}})
	r := x.run("token", "create", "--role", "device", "--name", "pump-7", "--ttl", "90m", "--uses", "2", "--replace", "--owner", "ward 3", "--network", "10.0.0.0/8", "--spki", "00ff")
	require.Equal(t, result{0, "bt1.secret.root\n", "token ab12 for device/pump-7, once, until 2026-11-22 13:30:00Z (in 90 min)\n"}, r)
	require.Equal(t, []call{{"POST", "tokens", "", `{"role":"device","name":"pump-7","ttl":"1h30m0s","uses":2,"replace":true,"owner":"ward 3","network":"10.0.0.0/8","spki":"00ff"}`}}, d.asked())

	r = x.run("token", "create", "--role", "device", "--name", "pump-7", "-o", "json")
	require.Contains(t, r.stdout, `"token": "bt1.secret.root"`)
	require.Empty(t, r.stderr)
	require.Equal(t, `{"role":"device","name":"pump-7"}`, d.asked()[1].body)
}

// A token for an ACME client is its key's id and its HMAC key, and what could not be
// bound to one identity is not even asked for.
func TestTokenCreateEAB(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.says(http.StatusCreated, adminapi.NewToken{
		Secret: "bt1.secret.root", KID: "ab12", HMACKey: "c2VjcmV0",
		Token: adminapi.Token{ID: "ab12", Role: "service", Name: "archive", MaxUses: 1, Expires: noon.Add(time.Hour), EAB: true},
	})
	r := x.run("token", "create", "--role", "service", "--name", "archive", "--eab")
	require.Equal(t, result{0, "kid       ab12\nhmac_key  c2VjcmV0\n", "token ab12 for service/archive, once, until 2026-11-22 13:00:00Z (in 60 min)\n"}, r)
	require.Equal(t, []call{{"POST", "tokens", "", `{"role":"service","name":"archive","eab":true}`}}, d.asked())

	r = x.run("token", "create", "--role", "service", "--name", "archive", "--eab", "-o", "json")
	for _, want := range []string{`"kid": "ab12"`, `"hmac_key": "c2VjcmV0"`, `"token": "bt1.secret.root"`} {
		require.Contains(t, r.stdout, want)
	}
	for _, args := range [][]string{{"--name", "arch-*"}, {"--name", "archive", "--uses", "2"}} {
		r := x.run(append([]string{"token", "create", "--role", "service", "--eab"}, args...)...)
		require.Equal(t, exitUsage, r.code, args)
		require.Contains(t, r.stderr, "--eab")
	}
	require.Len(t, d.asked(), 2)
}

// Each verb asks for what it is called, with its filters.
func TestCalls(t *testing.T) {
	x, d := talk(t)
	for _, tt := range []struct {
		args   string
		answer any
		want   call
	}{
		{"token list --role device --name a* --open", adminapi.Page[adminapi.Token]{}, call{"GET", "tokens", "limit=1000&name=a%2A&open=true&role=device", ""}},
		{"token revoke ab12", nil, call{"DELETE", "tokens/ab12", "", ""}},
		{"identity create device/a.b --owner o --dns x.example --dns y.example --ip 10.0.0.1", adminapi.Identity{}, call{"POST", "identities", "", `{"role":"device","name":"a.b","owner":"o","dns_names":["x.example","y.example"],"ips":["10.0.0.1"]}`}},
		{"identity list --role r --state active --owner o --search s", adminapi.Page[adminapi.Identity]{}, call{"GET", "identities", "limit=1000&owner=o&role=r&search=s&state=active", ""}},
		{"identity list --ownerless --role r", adminapi.Page[adminapi.Identity]{}, call{"GET", "identities", "doubt=ownerless&limit=1000&role=r", ""}},
		{"identity show device/a", adminapi.Identity{}, call{"GET", "identities/device/a", "", ""}},
		{"identity suspend device/a", adminapi.Identity{}, call{"POST", "identities/device/a/suspend", "", ""}},
		{"identity resume device/a", adminapi.Identity{}, call{"POST", "identities/device/a/resume", "", ""}},
		{"identity retire device/a", adminapi.Identity{}, call{"POST", "identities/device/a/retire", "", ""}},
		{"cert list --identity device/a --live", adminapi.Page[adminapi.Certificate]{}, call{"GET", "certificates", "identity=device%2Fa&limit=1000&live=true", ""}},
		{"cert show 00ab", adminapi.Certificate{}, call{"GET", "certificates/00ab", "", ""}},
		{"audit list --actor a --subject s --action x.y --until 2026-11-22T00:00:00Z", adminapi.Page[adminapi.Entry]{}, call{"GET", "audit", "action=x.y&actor=a&limit=1000&subject=s&until=2026-11-22T00%3A00%3A00Z", ""}},
		{"audit list --since 24h", adminapi.Page[adminapi.Entry]{}, call{"GET", "audit", "limit=1000&since=2026-11-21T12%3A00%3A00Z", ""}},
		{"audit export --from 3 --to 9", "x\n", call{"GET", "audit/export", "from=3&to=9", ""}},
		{"policy show", adminapi.Policy{}, call{"GET", "policy", "", ""}},
		{"policy apply - --replaces 7", adminapi.Policy{}, call{"PUT", "policy", "", `{"text":"[role.x]","replaces":7}`}},
		{"status", adminapi.Status{}, call{"GET", "status", "", ""}},
	} {
		x.now, x.stdin = noon, "[role.x]"
		d.says(http.StatusOK, tt.answer)
		x.ok(strings.Fields(tt.args)...)
		require.Equal(t, []call{tt.want}, d.asked(), tt.args)
	}
}

// A list has three forms; an empty one is [] and never prose; every page is
// asked for.
func TestLists(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.says(http.StatusOK, adminapi.Page[adminapi.Identity]{})
	require.Equal(t, "[]\n", x.ok("identity", "list", "-o", "json"))
	require.Equal(t, "", x.ok("identity", "list", "-o", "ndjson"))
	require.Equal(t, "IDENTITY  STATE  OWNER  CREATED  CHANGED\n", x.ok("identity", "list"))

	pages := map[string]adminapi.Page[adminapi.Identity]{
		"":   {Next: "p2", Items: []adminapi.Identity{{Path: "device/a", State: "active", Created: noon.Add(-time.Hour * 50), Changed: noon}}},
		"p2": {Items: []adminapi.Identity{{Path: "device/a-longer-one", State: "active", Suspect: true, Owner: "Wörd 3", Created: noon.Add(-time.Minute), Changed: noon.Add(time.Minute)}}},
	}
	d.does(func(w http.ResponseWriter, r *http.Request) {
		text, _ := encode(pages[r.FormValue("page_token")], "")
		w.Write([]byte(text))
	})
	require.Equal(t, strings.TrimPrefix(`
IDENTITY             STATE            OWNER   CREATED    CHANGED
device/a             active           -       2 d ago    now
device/a-longer-one  active, suspect  Wörd 3  1 min ago  in 1 min
`, "\n"), x.ok("identity", "list"))
	lines := strings.Split(strings.TrimSpace(x.ok("identity", "list", "-o", "ndjson")), "\n")
	require.Len(t, lines, 2)
	require.JSONEq(t, "["+strings.Join(lines, ",")+"]", x.ok("identity", "list", "-o", "json"))
}

// A list that breaks off in the middle is no success, in any form.
func TestListBreaks(t *testing.T) {
	x, d := talk(t)
	for _, form := range []string{"table", "json", "ndjson"} {
		d.does(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("page_token") != "" {
				panic(http.ErrAbortHandler)
			}
			w.Write([]byte(`{"items":[{"serial":"00"}],"next_page_token":"x"}`))
		})
		require.Equal(t, exitUnreachable, x.run("cert", "list", "-o", form).code)
	}
}

// Whatever is wrong has its exit code, says why, and where there is one, the
// next command.
func TestErrors(t *testing.T) {
	x, d := talk(t)
	for _, tt := range []struct {
		args   string
		status int
		typ    string
		code   int
		next   string
	}{
		{"identity show device/a", 404, api.ProblemNotFound, exitNotFound, "betonica identity list"},
		{"identity suspend device/a", 409, api.ProblemConflict, exitConflict, "betonica identity show device/a"},
		{"identity suspend device/a", 403, adminapi.ProblemForbidden, exitNotAllowed, ""},
		{"identity create device/a", 403, api.ProblemDenied, exitDenied, ""},
		{"token create --role device --name a", 409, api.ProblemConflict, exitConflict, "--replace"},
		{"token create --role device --name a --replace", 409, api.ProblemConflict, exitConflict, ""},
		{"token revoke 00", 404, api.ProblemNotFound, exitNotFound, "betonica token list"},
		{"policy apply -", 409, api.ProblemConflict, exitConflict, "betonica policy show"},
		{"policy apply -", 400, api.ProblemMalformed, exitUsage, ""},
		{"status", 401, api.ProblemUnauthenticated, exitNotAllowed, ""},
		{"status", 500, api.ProblemInternal, exitFailed, ""},
		{"status", 503, api.ProblemUnavailable, exitUnreachable, "betonicad doctor, on the CA's host"},
		{"cert list", 429, api.ProblemRateLimited, exitUnreachable, "again in a minute"},
		{"cert list", 502, api.ProblemUnavailable, exitUnreachable, "check the address; .*again once the CA answers"},
	} {
		d.says(tt.status, adminapi.Problem{Type: tt.typ, Status: tt.status, Title: "T", Detail: "the reason why", RequestID: "r1"})
		r := x.run(strings.Fields(tt.args)...)
		require.Equal(t, tt.code, r.code, tt.args)
		require.Empty(t, r.stdout)
		require.Contains(t, r.stderr, "the reason why (request id r1)\n")
		if tt.next == "" {
			require.NotContains(t, r.stderr, "next:")
		} else {
			require.Regexp(t, `\nnext:  .*`+tt.next, r.stderr)
		}
	}
}

// Nothing that the server says reaches the terminal as a control character, in
// any form; JSON stays the same JSON.
func TestHostileText(t *testing.T) {
	const evil = "a\x1b[2J\x07\u009b31m\u202ereversed\u2028\x7f\r\nnext line"
	x, d := talk(t)
	x.seen = true
	for _, args := range []string{
		"audit export", "identity show device/a", "identity list", "identity list -o json", "identity list -o ndjson", "identity show device/a -o json",
		"token list", "token create --role a --name b", "cert list", "cert show 00", "audit list", "audit list -o ndjson", "status", "policy show",
	} {
		d.does(func(w http.ResponseWriter, r *http.Request) {
			what := strings.TrimPrefix(r.URL.Path, "/v1/admin/")
			fields := map[string]any{"path": evil, "owner": evil, "token": evil, "serial": evil, "action": evil, "outcome": evil, "text": evil, "trust_domain": evil, "actor": evil, "detail": map[string]any{evil: evil}, "identity": evil, "id": evil}
			if (what == "tokens" && r.Method == "GET") || what == "identities" || what == "certificates" || what == "audit" {
				fields = map[string]any{"items": []any{fields}}
			}
			if what == "audit/export" {
				w.Write([]byte(evil))
				return
			}
			text, err := encode(fields, "")
			require.NoError(t, err)
			w.Write([]byte(text))
		})
		r := x.run(strings.Fields(args)...)
		require.Zero(t, r.code, r.stderr)
		requireTame(t, r)
		if strings.HasSuffix(args, "json") {
			require.Contains(t, r.stdout, `a\u001b[2J\u0007\u009b31m\u202ereversed\u2028\u007f\r\nnext line`)
		}
	}
	d.says(http.StatusConflict, adminapi.Problem{Detail: evil, RequestID: evil})
	requireTame(t, x.run("status"))
}

func requireTame(t *testing.T, r result) {
	for _, s := range []string{r.stdout, r.stderr} {
		for _, c := range s {
			if active(c) && c != '\n' {
				t.Fatalf("%q in %q", c, s)
			}
		}
	}
}

// The daemon is found by the strongest word: a flag, the environment, the file,
// then the usual places.
func TestFindDaemon(t *testing.T) {
	x := newTool(t)
	answer := func(name string) *daemon {
		d := newDaemon(t)
		d.says(http.StatusOK, adminapi.Status{TrustDomain: name})
		return d
	}
	flag, env, file, here := answer("flag"), answer("env"), answer("file"), answer("here")
	t.Chdir(filepath.Dir(here.socket))
	conf := filepath.Join(t.TempDir(), "config.toml")
	require.NoError(t, os.WriteFile(conf, []byte("socket = '"+file.socket+"'\n"), 0o600))

	require.Contains(t, x.ok("status"), "here")
	x.vars["BETONICA_CONFIG"] = conf
	require.Contains(t, x.ok("status"), "file")
	x.vars["BETONICA_SOCKET"] = env.socket
	require.Contains(t, x.ok("status"), "env")
	require.Contains(t, x.ok("status", "--socket", flag.socket), "flag")

	// A URL for machines in the environment does not keep people from the socket.
	x.vars = map[string]string{"BETONICA_URL": "https://127.0.0.1:1"}
	require.Contains(t, x.ok("status"), "here")
	// With a certificate of one's own it is meant.
	x.vars["BETONICA_DIR"] = t.TempDir()
	require.Equal(t, exitNotFound, x.run("status").code)

	t.Chdir(t.TempDir())
	r := newTool(t).run("status")
	require.Equal(t, exitUnreachable, r.code)
	require.Contains(t, r.stderr, "next:  ")
	r = newTool(t).run("status", "--socket", "nobody.sock")
	require.Equal(t, exitUnreachable, r.code)
}

// A person who gives up is told apart from a daemon that is gone.
func TestCancelled(t *testing.T) {
	x, d := talk(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.does(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	require.Equal(t, exitCancelled, x.runContext(ctx, "status").code)
}

// An export goes to stdout as it came, byte for byte, or to a new file that only
// its owner reads; a broken one leaves no file.
func TestAuditExport(t *testing.T) {
	x, d := talk(t)
	const bundle = "{\"a\":\"\u202e<&>\"}\n{}\n"
	d.says(http.StatusOK, bundle)
	require.Equal(t, bundle, x.ok("audit", "export"))

	file := filepath.Join(t.TempDir(), "bundle")
	x.ok("audit", "export", "--out", file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, bundle, string(text))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	require.Equal(t, exitFailed, x.run("audit", "export", "--out", file).code) // it is not overwritten

	d.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("{}\n"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	require.NotZero(t, x.run("audit", "export").code)
	require.NotZero(t, x.run("audit", "export", "--out", file+"2").code)
	require.NoFileExists(t, file+"2")
}

// A policy comes out as it went in, so that it can be edited and applied.
func TestPolicyShow(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	text := "# rôles\r\n[role.device]\r\n\tnames = [\"*\"]\r\n"
	d.says(http.StatusOK, adminapi.Policy{Version: 7, Text: text, Actor: "uid:0", Loaded: noon.Add(-time.Hour)})
	r := x.run("policy", "show")
	require.Equal(t, result{0, text, "version 7, by uid:0, 2026-11-22 11:00:00Z (60 min ago)\n"}, r)
}
