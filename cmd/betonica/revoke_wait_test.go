package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// fell is what the daemon says of a revocation.
var fell = adminapi.Fallen{Identity: "device/pump-7", Serials: []string{"01"}, Number: 42}

// waits has the daemon revoke, and then say these words about how far it came.
func (d *daemon) waits(words ...adminapi.Enforcement) {
	d.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			json.NewEncoder(w).Encode(fell)
			return
		}
		for _, e := range words {
			json.NewEncoder(w).Encode(e)
		}
	})
}

// parties are n relying parties that do not enforce a revocation.
func parties(n int, connected bool) (all []adminapi.RelyingParty) {
	for i := range n {
		all = append(all, adminapi.RelyingParty{Identity: fmt.Sprintf("gateway/g%d", i), Address: "192.0.2.7", Number: 41, LastSeen: noon.Add(-time.Hour), Connected: connected})
	}
	return all
}

// Waiting ends with one sentence of facts: how many enforce, how fast the slowest
// was, and which do not. It succeeds if no connected one is among them.
func TestRevokeWait(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	slowest, since := int64(212), noon.Add(-time.Hour)
	done := adminapi.Enforcement{Number: 42, Enforcing: 38, Expected: 41, Away: 3, AwaySince: &since, Slowest: &slowest, Missing: parties(3, false)}
	d.waits(adminapi.Enforcement{Number: 42, Enforcing: 1, Expected: 41, Waiting: 37, Away: 3}, done)

	r := x.run("revoke", "device/pump-7", "--yes", "--wait", "--timeout", "5s")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, "38 of 41 enforcing, slowest 212 ms, 3 not connected since 11:00Z", strings.Split(r.stderr, "\n")[1])
	require.Contains(t, r.stderr, "  gateway/g2  not connected, enforces 41, last seen 2026-11-22 11:00:00Z (60 min ago) from 192.0.2.7\n")
	require.NotContains(t, r.stderr, "enforcing 1 of", "there is no terminal")
	require.Contains(t, r.stdout, "crl number    42\n")
	require.Equal(t, call{"GET", "enforcement", "number=42&wait=5s", ""}, d.asked()[1])

	r = x.run("revoke", "device/pump-7", "--yes", "--wait", "-o", "json")
	require.Equal(t, exitOK, r.code, r.stderr)
	var out struct {
		adminapi.Fallen
		Enforcement adminapi.Enforcement `json:"enforcement"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &out))
	require.Equal(t, fell.Serials, out.Serials)
	require.Equal(t, done, out.Enforcement)
}

// A connected relying party that does not enforce it in time is a failure, and the
// first ten are named.
func TestRevokeWaitMissed(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.waits(adminapi.Enforcement{Number: 42, Enforcing: 0, Expected: 12, Waiting: 12, Missing: parties(12, true)})
	for _, form := range []string{"table", "json"} {
		r := x.run("revoke", "device/pump-7", "--yes", "--wait", "-o", form)
		require.Equal(t, exitFailed, r.code)
		require.Contains(t, r.stderr, "0 of 12 enforcing, 12 connected and not enforcing\n")
		require.Contains(t, r.stderr, "gateway/g9  connected")
		require.NotContains(t, r.stderr, "gateway/g10")
		require.Contains(t, r.stderr, "  and 2 more\n")
		require.Contains(t, r.stderr, "error: it is revoked, and after 30s not every connected relying party enforces it\n")
		require.Contains(t, r.stdout, "device/pump-7", "what fell is told all the same")
	}
}

// An answer that breaks off is no end: what fell is told, and that nobody knows the
// rest.
func TestRevokeWaitBreaks(t *testing.T) {
	x, d := talk(t)
	d.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			json.NewEncoder(w).Encode(fell)
			return
		}
		json.NewEncoder(w).Encode(adminapi.Enforcement{Number: 42, Enforcing: 3, Expected: 3})
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	r := x.run("revoke", "device/pump-7", "--yes", "--wait", "-o", "json")
	require.Equal(t, exitUnreachable, r.code)
	require.Contains(t, r.stderr, "it is revoked")
	require.Contains(t, r.stdout, `"serials"`)
	d.waits()
	require.Equal(t, exitUnreachable, x.run("revoke", "device/pump-7", "--yes", "--wait").code)
}

// Where nothing can be waited for, it is said: nobody reports, or nothing fell.
func TestRevokeWaitNobody(t *testing.T) {
	x, d := talk(t)
	d.waits(adminapi.Enforcement{Number: 42})
	r := x.run("revoke", "device/pump-7", "--yes", "--wait")
	require.Equal(t, exitOK, r.code)
	require.Contains(t, r.stderr, "no relying party reports what it enforces\n")
	d.says(http.StatusOK, adminapi.Fallen{Identity: "device/pump-7"})
	r = x.run("revoke", "device/pump-7", "--yes", "--wait")
	require.Equal(t, exitOK, r.code)
	require.Contains(t, r.stderr, "there is nothing to enforce")
	for _, args := range []string{"--timeout 5s", "--wait --dry-run", "--wait --timeout 0s", "--wait --timeout 2h", "--wait --timeout -1s", "--wait --timeout soon"} {
		r := x.run(append([]string{"revoke", "device/pump-7", "--yes"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, r.code, args)
	}
}

// On a terminal one line is written again and again, and is gone in the end.
func TestProgressLine(t *testing.T) {
	var out strings.Builder
	line := &progressLine{to: &out}
	for _, text := range []string{"enforcing 10 of 12", "enforcing 10 of 12", "enforcing 9 of 12"} {
		line.show(text)
	}
	line.clear()
	require.Equal(t, "\renforcing 10 of 12\renforcing 9 of 12 \r"+strings.Repeat(" ", 17)+"\r", out.String())
}

// The status lists the relying parties that are worst off, and says how many it
// left out.
func TestStatusParties(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	all := parties(100, false)
	all[0].Lagging, all[0].Connected, all[0].Lag = true, true, 7
	d.says(http.StatusOK, adminapi.Status{Ready: true, RelyingParties: adminapi.RelyingParties{Known: 130, Connected: 31, Lagging: 1, Refused: 2, Parties: all, More: 30}})
	text := x.ok("status")
	for _, want := range []string{
		"relying parties  130 known, 31 connected, 1 lagging\n", "false reports    2, of numbers that no list has",
		"RELYING PARTY  ENFORCES  BEHIND  STATE          REPORTED    ADDRESS\n", "gateway/g0     41        7       lagging        60 min ago  192.0.2.7\n",
		"gateway/g19    41        0       not connected  60 min ago  192.0.2.7\nand 110 more\n",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "gateway/g20")
	require.Contains(t, x.ok("status", "-o", "json"), `"identity": "gateway/g99"`)
	d.says(http.StatusOK, adminapi.Status{Ready: true})
	require.Contains(t, x.ok("status"), "none reports what it enforces")
}

// Where several daemons share a database the status lists them; of one alone it says
// nothing.
func TestStatusReplicas(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	all := []adminapi.Replica{
		{Name: "ca-1", Version: "v1.2.0", URL: "https://10.0.0.1:8443", Started: noon.Add(-time.Hour), Live: true, Eldest: true, Seen: 41},
		{Name: "ca-2", Version: "v1.2.1", URL: "https://10.0.0.2:8443", Started: noon.Add(-time.Minute), Live: true, Self: true, Seen: 42},
		{Name: "ca-3", Version: "v1.2.0", URL: "https://10.0.0.3:8443", Started: noon, Seen: 7},
	}
	d.says(http.StatusOK, adminapi.Status{Ready: true, Replicas: all})
	text := x.ok("status")
	for _, want := range []string{
		"replicas         3, 2 live\n",
		"REPLICA  STATE         SEEN  STARTED     VERSION  URL\n",
		"ca-1     live, eldest  41    60 min ago  v1.2.0   https://10.0.0.1:8443\n",
		"ca-2     live, asked   42    1 min ago   v1.2.1   https://10.0.0.2:8443\n",
		"ca-3     gone          7     now         v1.2.0   https://10.0.0.3:8443\n",
	} {
		require.Contains(t, text, want)
	}
	require.Contains(t, x.ok("status", "-o", "json"), `"name": "ca-3"`)
	d.says(http.StatusOK, adminapi.Status{Ready: true, Replicas: all[:1]})
	require.NotContains(t, x.ok("status"), "eplica")
}
