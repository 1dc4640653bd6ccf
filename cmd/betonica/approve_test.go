package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// asks is a request that waits.
func asks(spki string) adminapi.Request {
	return adminapi.Request{
		ID: "ab12", Code: "7ZK4-09TM", SPKI: spki, State: "waiting", Role: "device", Address: "10.3.0.7", KeyType: "P-256",
		Created: noon.Add(-5 * time.Minute), Expires: noon.Add(time.Hour),
	}
}

// took returns what the daemon was asked since it was looked at last.
func (d *daemon) took() []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}

// saysRequests answers a list with the requests, and everything else with the first of them.
func (d *daemon) saysRequests(requests ...adminapi.Request) {
	d.does(func(w http.ResponseWriter, r *http.Request) {
		var answer any = adminapi.Page[adminapi.Request]{Items: requests}
		if r.Method == http.MethodPost {
			done := requests[0]
			done.Identity = "device/pump-7"
			answer = done
		}
		text, _ := encode(answer, "")
		w.Write([]byte(text))
	})
}

// An approval finds the request by its code, however that is written, and is about the
// whole key that was found.
func TestApprove(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	spki := strings.Repeat("0a", 32)
	d.saysRequests(asks(spki))
	r := x.run("approve", "7zk4o9tm", "--as", "device/pump-7", "--owner", "ward 3", "--replace")
	require.Equal(t, result{0, "", "7ZK4-09TM is device/pump-7: P-256 key " + spki + ", which asked from 10.3.0.7; its certificate waits for it, for 60 min\n"}, r)
	find := call{"GET", "requests", "code=7ZK4-09TM&limit=1000", ""}
	require.Equal(t, []call{find, {"POST", "requests/ab12/approve", "", `{"spki":"` + spki + `","role":"device","name":"pump-7","owner":"ward 3","replace":true}`}}, d.took())

	r = x.run("approve", "deny", "7ZK4-09TM")
	require.Equal(t, result{0, "", "7ZK4-09TM is denied: P-256 key " + spki + ", which asked from 10.3.0.7\n"}, r)
	require.Equal(t, []call{find, {"POST", "requests/ab12/deny", "", `{"spki":"` + spki + `"}`}}, d.took())

	r = x.run("approve", "7ZK4-09TM", "--as", "device/pump-7", "-o", "json")
	require.Contains(t, r.stdout, `"identity": "device/pump-7"`)
	require.Empty(t, r.stderr)
	d.took()

	// Nothing that it has shown says who it is; unless something does.
	r = x.run("approve", "7ZK4-09TM")
	require.Equal(t, exitUsage, r.code)
	require.Equal(t, []call{find}, d.took())
	known := asks(spki)
	known.Identity, known.Proofs = "device/pump-7", "token:1"
	d.saysRequests(known)
	x.ok("approve", "7ZK4-09TM")
	require.Equal(t, []call{find, {"POST", "requests/ab12/approve", "", `{"spki":"` + spki + `"}`}}, d.took())
}

// A code that two requests have says nothing: both are shown with their whole hashes, and
// one of these decides.
func TestApproveTwoOfOneCode(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	first, second := asks(strings.Repeat("0a", 32)), asks(strings.Repeat("0b", 32))
	second.ID = "cd34"
	for _, args := range [][]string{{"approve", "7ZK4-09TM", "--as", "device/pump-7"}, {"approve", "deny", "7ZK4-09TM"}} {
		d.saysRequests(first, second)
		r := x.run(args...)
		require.Equal(t, exitConflict, r.code)
		require.Contains(t, r.stderr, first.SPKI)
		require.Contains(t, r.stderr, second.SPKI)
		require.Contains(t, r.stderr, "--spki")
		require.Len(t, d.took(), 1, "nothing was decided")
		x.ok(append(args, "--spki", strings.ToUpper(second.SPKI))...)
		asked := d.took()
		require.Len(t, asked, 2)
		require.Contains(t, asked[1].path, "requests/cd34/")
		require.Contains(t, asked[1].body, second.SPKI)
	}
}

// What cannot be decided any more is a conflict that says who did; what nobody asked is
// not found.
func TestApproveDecided(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	for state, want := range map[string]string{
		"used": "used as device/pump-1 by operator/anna", "approved": "approved as device/pump-1 by operator/anna",
		"denied": "denied by operator/anna", "lapsed": "it has lapsed",
	} {
		q := asks("00")
		q.State, q.Identity, q.DecidedBy = state, "device/pump-1", "operator/anna"
		d.saysRequests(q)
		r := x.run("approve", "7ZK4-09TM", "--as", "device/pump-7")
		require.Equal(t, exitConflict, r.code, state)
		require.Contains(t, r.stderr, want)
		require.Len(t, d.took(), 1)
	}
	d.says(http.StatusOK, adminapi.Page[adminapi.Request]{})
	r := x.run("approve", "7ZK4-09TM", "--as", "device/pump-7")
	require.Equal(t, exitNotFound, r.code)
	require.Contains(t, r.stderr, "betonica approve list")
}

// The list shows what a machine claims as claims, and nothing of it reaches the terminal
// as it was sent.
func TestApproveList(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	q := asks(strings.Repeat("0a", 32))
	q.Claims = adminapi.Claims{CommonName: "pump\x1b[2J-7", DNSNames: []string{strings.Repeat("long.", 20) + "example"}}
	d.saysRequests(q)
	text := x.ok("approve", "list", "--role", "device")
	require.Equal(t, []call{{"GET", "requests", "limit=1000&open=true&role=device", ""}}, d.took())
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^CODE +ASKED +ROLE +FROM +KEY +PROOFS +CLAIMS$`, lines[0])
	require.Regexp(t, `^7ZK4-09TM  5 min ago  device  10\.3\.0\.7  P-256 0a0a0a0a0a0a0a0a  -       "pump\\x1b\[2J-7 long\.[a-z.]*\.\.\."$`, lines[1])
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, x.ok("approve", "list", "-o", "json"), "\x1b")
	d.took()
	require.Contains(t, x.ok("approve", "list", "--all"), "STATE")
	require.Equal(t, []call{{"GET", "proposals", "limit=1000", ""}, {"GET", "requests", "limit=1000", ""}}, d.took())
}

// A shell completes the codes of those that wait.
func TestApproveCompletes(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.saysRequests(asks("00"))
	require.Contains(t, x.ok("__complete", "approve", ""), "7ZK4-09TM\tdevice from 10.3.0.7, 5 min ago\n")
	require.Equal(t, []call{{"GET", "requests", "limit=100&open=true", ""}}, d.took())
}
