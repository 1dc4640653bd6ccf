package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

func anAlert() adminapi.Alert {
	at := noon.Add(-time.Hour)
	return adminapi.Alert{
		ID: 12, Rule: "A02", Class: "invariant", Title: "a key has two holders", Severity: "critical", State: "open", Site: "north\x1b[2J", Subject: "device/pump-7",
		Opened: at, Last: noon, Count: 3, Facts: [2]string{"certificate 01 was renewed", "and its child is in use"}, Do: "Call the ward.",
		Entries: []adminapi.AlertEntry{{Seq: 7, At: &at, Action: "certificate.fork"}, {Seq: 3}, {Origin: "hospital.example/gateway/icu/journal/0a", Seq: 9}},
		History: []adminapi.AlertStep{{Seq: 8, At: at, What: "open", Actor: "self", Text: "and its child is in use"}},
	}
}

// An alert says what was compared, what to do, and with which command each entry is seen;
// nothing in it reaches the terminal.
func TestAlertShow(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.says(http.StatusOK, anAlert())
	r := x.run("alert", "show", "12")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, []call{{"GET", "alerts/12", "", ""}}, d.asked())
	for _, want := range []string{
		"a key has two holders", "certificate 01 was renewed", "and its child is in use", "Call the ward.", "3 times",
		"betonica audit list --action certificate.fork --since 2026-11-22T11:00:00Z --until 2026-11-22T11:00:01Z",
		"betonica audit export --from 3 --to 3", "betonica audit records --identity gateway/icu --since 2026-11-22T10:00:00Z", "open by self, entry 8",
	} {
		require.Contains(t, r.stdout, want)
	}
	require.NotContains(t, r.stdout, "\x1b")
	r = x.run("alert", "show", "12", "-o", "json")
	require.Contains(t, r.stdout, `"severity": "critical"`)
	require.Equal(t, exitUsage, x.run("alert", "show", "twelve").code)
}

// The list is of what is open unless more is asked for, and scripts read it.
func TestAlertList(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	several := anAlert()
	several.Subject, several.Subjects = "", []string{"device/a", "device/b"}
	d.says(http.StatusOK, adminapi.Page[adminapi.Alert]{Items: []adminapi.Alert{anAlert(), several}})
	r := x.run("alert", "list")
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, `12 +critical +open .* 3 +north.* device/pump-7 +A02 a key has two holders`, r.stdout)
	require.Contains(t, r.stdout, "device/a and 1 more")
	require.Zero(t, x.run("alert", "list", "--all", "--since", "7d", "--severity", "high", "--site", "north", "-o", "ndjson").code)
	require.Equal(t, []call{
		{"GET", "alerts", "limit=1000", ""}, {"GET", "alerts", "all=true&limit=1000&severity=high&since=2026-11-15T12%3A00%3A00Z&site=north", ""},
	}, d.asked())
}

// What a person says goes with the alert's number, and what is not there, or over, is told
// apart.
func TestAlertAck(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	seen := anAlert()
	seen.State, seen.By, seen.Word, seen.Acknowledged = "acknowledged", "auditor/cleo", "a snapshot", &noon
	d.says(http.StatusOK, seen)
	r := x.run("alert", "ack", "12", "--word", "a snapshot")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "by auditor/cleo")
	require.Equal(t, []call{{"POST", "alerts/12/acknowledge", "", `{"word":"a snapshot"}`}}, d.asked())
	require.Equal(t, exitUsage, x.run("alert", "ack", "12").code)
	for status, want := range map[int]int{http.StatusNotFound: exitNotFound, http.StatusConflict: exitConflict, http.StatusForbidden: exitNotAllowed} {
		types := map[int]string{http.StatusConflict: api.ProblemConflict, http.StatusForbidden: adminapi.ProblemForbidden}
		d.says(status, api.Problem{Type: types[status], Status: status, Detail: "no"})
		require.Equal(t, want, x.run("alert", "ack", "12", "--word", "a").code, status)
	}
}

// Planned work has an end, as a time or from now.
func TestAlertQuiet(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.says(http.StatusOK, adminapi.QuietRequest{Until: noon.Add(8 * time.Hour), Reason: "new pumps"})
	r := x.run("alert", "quiet", "--until", "8h", "--reason", "new pumps")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "everywhere")
	require.Zero(t, x.run("alert", "quiet", "--site", "north", "--until", "2026-11-23T00:00:00Z", "--reason", "a").code)
	require.Equal(t, []call{
		{"POST", "alerts/quiet", "", `{"until":"2026-11-22T20:00:00Z","reason":"new pumps"}`},
		{"POST", "alerts/quiet", "", `{"site":"north","until":"2026-11-23T00:00:00Z","reason":"a"}`},
	}, d.asked())
	for _, args := range [][]string{{"--until", "soon", "--reason", "a"}, {"--until", "1h"}, {"--reason", "a"}} {
		require.Equal(t, exitUsage, x.run(append([]string{"alert", "quiet"}, args...)...).code)
	}
}
