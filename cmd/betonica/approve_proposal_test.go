package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func proposal() adminapi.Proposal {
	return adminapi.Proposal{
		ID: "P-7ZK4-09TM", Kind: "policy", Subject: "policy/2", Digest: strings.Repeat("0a", 32), Reason: "new\x1b[2J lamps", By: "admin/ada", State: "open",
		Created: noon.Add(-5 * time.Minute), Expires: noon.Add(time.Hour),
		Consents: []adminapi.Consent{{Path: "admin/ada", Owner: "IT", Serial: "ab", At: noon}},
		Body:     json.RawMessage(`{"replaces":1,"widens":[{"role":"lamp","what":"it is new"},{"key":"a","what":"all"}],"text":"[role.lamp]\n","lifts":true}`),
	}
}

// saysProposal answers as a daemon with one proposal.
func (d *daemon) saysProposal(p adminapi.Proposal) {
	d.does(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/proposals"):
			json.NewEncoder(w).Encode(adminapi.Page[adminapi.Proposal]{Items: []adminapi.Proposal{p}})
		case strings.HasSuffix(r.URL.Path, "/requests"):
			json.NewEncoder(w).Encode(adminapi.Page[adminapi.Request]{Items: []adminapi.Request{}})
		case strings.HasSuffix(r.URL.Path, "/approve"):
			p.State = "approved"
			json.NewEncoder(w).Encode(p)
		default:
			json.NewEncoder(w).Encode(p)
		}
	})
}

// Whoever agrees agrees to what he was shown: the digest of that goes with it. A machine's
// code is none of a proposal, and what is for machines is refused.
func TestApproveProposal(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.saysProposal(proposal())
	r := x.run("approve", "p-7zk4o9tm")
	require.Zero(t, r.code, r.stderr)
	require.Empty(t, r.stdout)
	require.Contains(t, r.stderr, `role "lamp": it is new`)
	require.Contains(t, r.stderr, "admin/ada may do it now, by the same command as before, for 60 min")
	require.Equal(t, []call{{"GET", "proposals/P-7ZK4-09TM", "", ""}, {"POST", "proposals/P-7ZK4-09TM/approve", "", `{"digest":"` + strings.Repeat("0a", 32) + `"}`}}, d.took())
	r = x.run("approve", "deny", "P-7ZK4-09TM")
	require.Zero(t, r.code)
	require.Equal(t, []call{{"POST", "proposals/P-7ZK4-09TM/deny", "", ""}}, d.took())
	for _, args := range [][]string{{"approve", "P-7ZK4-09TM", "--as", "device/a"}, {"approve", "show", "7ZK4-09TM"}, {"approve", "show"}} {
		require.Equal(t, exitUsage, x.run(args...).code, "%q", args)
	}
	require.Empty(t, d.took())
}

// A proposal is shown whole, and none of it reaches the terminal as it was sent.
func TestShowProposal(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.saysProposal(proposal())
	text := x.ok("approve", "show", "P-7ZK4-09TM")
	for _, want := range []string{`reason       new\x1b[2J lamps`, `agreed       admin/ada, for whom IT answers`, `lifts        yes`, `widens       rule "a": all`, `text         [role.lamp]`, `replaces     1`} {
		require.Contains(t, text, want)
	}
	text = x.ok("approve", "list")
	require.Contains(t, text, "\n\nPROPOSAL ")
	require.Contains(t, text, `P-7ZK4-09TM  5 min ago  policy  policy/2  admin/ada  open   new\x1b[2J lamps`)
	require.Equal(t, 1, strings.Count(x.ok("approve", "list", "-o", "ndjson"), "\n"))
	require.NotContains(t, x.ok("approve", "list", "-o", "json"), "\x1b")
}

// A command that takes two people says which proposal waits, and is not allowed yet.
func TestTakesTwo(t *testing.T) {
	x, d := talk(t)
	d.says(http.StatusForbidden, adminapi.Problem{Type: adminapi.ProblemConsent, Status: 403, Detail: "it waits as P-7ZK4-09TM"})
	for _, args := range [][]string{
		{"token", "create", "--role", "admin", "--name", "dora", "--reason", "new"},
		{"power", "request", "log", "--for", "1h", "--reason", "x"},
	} {
		r := x.run(args...)
		require.Equal(t, exitNotAllowed, r.code)
		require.Contains(t, r.stderr, "P-7ZK4-09TM")
		require.Contains(t, d.took()[0].body, `"reason":`)
	}
}

// Powers are asked for, taken, ended and reviewed with what the command line says.
func TestPower(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	due := noon.Add(72 * time.Hour)
	p := adminapi.Power{ID: "P-7ZK4-09TM", Person: "operator/otto", Kind: "break-glass", Right: "emergency", Reason: "dark", State: "live", Begun: noon, Ends: noon.Add(time.Hour), ReviewDue: &due}
	d.says(http.StatusOK, p)
	for _, tt := range []struct {
		args []string
		want call
	}{
		{[]string{"request", "log", "--for", "90m", "--reason", "x"}, call{"POST", "powers", "", `{"right":"log","for":"1h30m0s","reason":"x"}`}},
		{[]string{"break-glass", "--reason", "dark"}, call{"POST", "powers/break-glass", "", `{"for":"1h0m0s","reason":"dark"}`}},
		{[]string{"end", "p 7zk4 09tm"}, call{"POST", "powers/P-7ZK4-09TM/end", "", ""}},
		{[]string{"review", "P-7ZK4-09TM", "--word", "fine"}, call{"POST", "powers/P-7ZK4-09TM/review", "", `{"word":"fine"}`}},
	} {
		text := x.ok(append([]string{"power"}, tt.args...)...)
		require.Contains(t, text, "review due  2")
		require.Equal(t, []call{tt.want}, d.took())
	}
	for _, args := range [][]string{
		{"request", "log", "--for", "1h"}, {"request", "log", "--reason", "x"}, {"request", "--for", "1h", "--reason", "x"},
		{"break-glass"}, {"break-glass", "now", "--reason", "x"}, {"end"}, {"end", "x"}, {"review", "P-7ZK4-09TM"}, {"list", "x"},
	} {
		require.Equal(t, exitUsage, x.run(append([]string{"power"}, args...)...).code, "%q", args)
	}
	require.Empty(t, d.took())
	d.says(http.StatusOK, adminapi.Page[adminapi.Power]{Items: []adminapi.Power{p}})
	require.Contains(t, x.ok("power", "list"), "P-7ZK4-09TM  operator/otto  emergency  live   in 60 min")
	require.Equal(t, []call{{"GET", "powers", "limit=1000&live=true", ""}}, d.took())
}
