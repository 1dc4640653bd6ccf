package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
	"github.com/betonica/betonica/store/audit/journal"
)

// journalOf keeps records as a guard would, and returns the journal's folder.
func journalOf(t *testing.T, records ...record.Record) string {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(journal.Config{Dir: dir, Identity: "hospital.example/gateway/gw-1"})
	require.NoError(t, err)
	for _, r := range records {
		require.NoError(t, record.Into(j).Keep(t.Context(), r))
	}
	require.NoError(t, j.Close())
	return dir
}

// message is the record of a message of HL7.
func message(caller, kind, rule string, at time.Time) record.Record {
	r := record.Record{Begin: at, End: at, Caller: "spiffe://hospital.example/" + caller, Guard: "spiffe://hospital.example/gateway/gw-1", Side: record.Server,
		Route: "lab", Target: "mllp://127.0.0.1:2575", Protocol: record.MLLP, Kind: record.Message, Operation: kind, Rule: rule, Outcome: record.Allowed}
	if rule == "" {
		r.Outcome = record.Observed
	}
	return r
}

// Suggested rules can be given to a guard as they are, or put into the policy, and allow
// what the journal has; an export of the journal says the same.
func TestPolicySuggest(t *testing.T) {
	x := newTool(t)
	dir := journalOf(t,
		message("device/analyser-1", "ORU^R01", "", noon), message("device/analyser-2", "ORU^R01", "", noon.Add(-time.Hour)),
		message("device/analyser-3", "ORU^R01", "", noon), message("service/ehr", "ADT^A01", "", noon.AddDate(0, 0, -31)),
	)
	want := `# 4 accesses, 2026-10-22T12:00:00Z to 2026-11-22T12:00:00Z

# 3 times, last 2026-11-22T12:00:00Z
[[allow]]
name = "hl7-device"
peers = ["device"]
listener = ["lab"]
hl7 = { messages = ["ORU^R01"] }

# 1 times, last 2026-10-22T12:00:00Z
[[allow]]
name = "hl7-service-ehr"
peers = ["service/ehr"]
listener = ["lab"]
hl7 = { messages = ["ADT^A01"] }
`
	text := x.ok("policy", "suggest", "--journal", dir)
	require.Equal(t, want, text)
	file, err := rulefile.Parse("rules.toml", []byte(text), "hospital.example")
	require.NoError(t, err)
	analyser, err := allow.ParseID("spiffe://hospital.example/device/analyser-1")
	require.NoError(t, err)
	for kind, want := range map[string]bool{"ORU^R01": true, "ADT^A01": false} {
		_, allowed := file.Rules.Decide(analyser, &allow.Request{Kind: allow.HL7, Listener: "lab", Message: kind})
		require.Equal(t, want, allowed)
	}

	export := filepath.Join(t.TempDir(), "export.jsonl")
	x.ok("audit", "export", "--journal", dir, "--out", export)
	require.Equal(t, want, x.ok("policy", "suggest", "--records", export))

	x.now = noon
	text = x.ok("policy", "suggest", "--journal", dir, "--since", "30d", "--from-role", "4", "--policy")
	require.Contains(t, text, "guards = [\"gateway/gw-1\"]\npeers = [\"device/analyser-1\", \"device/analyser-2\", \"device/analyser-3\"]\n")
	require.NotContains(t, text, "ADT^A01")
	_, err = rulefile.ParsePolicy("policy.toml", []byte(text), "hospital.example")
	require.NoError(t, err)

	require.Equal(t, exitUsage, x.run("policy", "suggest").code)
	require.Equal(t, exitUsage, x.run("policy", "suggest", "--journal", dir, "--since", "yesterday").code)
	require.Equal(t, exitFailed, x.run("policy", "suggest", "--journal", t.TempDir()).code)
	r := x.run("policy", "suggest", "--journal", journalOf(t))
	require.Equal(t, result{0, "", "there is no record of an access that was let through\n"}, r)
}

// The CA's archive says the same as the journals that were shipped to it.
func TestPolicySuggestArchive(t *testing.T) {
	x, d := talk(t)
	e := message("device/analyser-1", "ORU^R01", "", noon).Event()
	e.Detail["in"] = 1.5e3 // as JSON has numbers
	entry := adminapi.JournalEntry{Identity: "gateway/gw-1", Entry: adminapi.Entry{Seq: 2, At: noon, Action: e.Action, Actor: e.Actor, Subject: e.Subject, Outcome: e.Outcome, Detail: e.Detail}}
	other := adminapi.JournalEntry{Identity: "gateway/gw-1", Entry: adminapi.Entry{Seq: 1, At: noon, Action: "journal.start"}}
	d.says(http.StatusOK, adminapi.Page[adminapi.JournalEntry]{Items: []adminapi.JournalEntry{other, entry}})
	text := x.ok("policy", "suggest", "--archive", "--guard", "gateway/gw-1")
	require.Contains(t, text, "name = \"hl7-device-analyser-1\"")
	require.Contains(t, d.asked()[0].query, "identity=gateway%2Fgw-1")
}

// What nobody has used is listed, by a guard's rules or by the policy in force.
func TestPolicyUnused(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	dir := journalOf(t,
		message("device/analyser-1", "ORU^R01", "results", noon.AddDate(0, 0, -1)), message("device/analyser-2", "ORU^R01", "results", noon.AddDate(0, 0, -100)),
		message("service/ehr", "ADT^A01", "admissions", noon.AddDate(0, 0, -100)),
	)
	rules := "[[allow]]\nname = \"results\"\npeers = [\"device\", \"gateway\"]\nhl7 = {}\n[[allow]]\nname = \"admissions\"\npeers = [\"service/ehr\"]\nhl7 = {}\n"
	file := filepath.Join(t.TempDir(), "rules.toml")
	require.NoError(t, os.WriteFile(file, []byte(rules), 0o600))
	want := `[
{"rule":"results","peer":"spiffe://hospital.example/gateway","uses":0},
{"rule":"admissions","peer":"spiffe://hospital.example/service/ehr","uses":1,"last_use":"2026-08-14T12:00:00Z"}
]
`
	require.Equal(t, want, x.ok("policy", "unused", "--journal", dir, "--rules", file, "-o", "json"))
	d.says(http.StatusOK, adminapi.Policy{Version: 7, Text: "[role.device]\nlifetime = '7d'\n" + rules})
	require.Equal(t, want, x.ok("policy", "unused", "--journal", dir, "-o", "json"))
	require.Contains(t, x.ok("policy", "unused", "--journal", dir, "--rules", file, "--for", "120d"), "never")
	r := x.run("policy", "unused", "--journal", dir, "--rules", file, "--for", "120d")
	require.Contains(t, r.stderr, "the records begin only at 2026-08-14")
	require.NotContains(t, r.stdout, "admissions")
	require.Equal(t, `[
{"rule":"admissions","peer":"spiffe://hospital.example/service/ehr","uses":1,"last_use":"2026-08-14T12:00:00Z"},
{"rule":"results","peer":"spiffe://hospital.example/device/analyser-2","uses":1,"last_use":"2026-08-14T12:00:00Z"}
]
`, x.ok("policy", "unused", "--journal", dir, "--machines", "-o", "json"))
}

// Lint names the line of what is wrong or wide, and fails on either.
func TestPolicyLint(t *testing.T) {
	x := newTool(t)
	file := filepath.Join(t.TempDir(), "rules.toml")
	for text, want := range map[string]result{
		"[[allow]]\nname = 'a'\npeers = ['device']\ntcp = true\n": {},
		"[[allow]]\nname = 'a'\npeers = ['*']\ntcp = true\n":      {exitFailed, file + ":3:10: rule \"a\": whomever the CA certified is let in; name the roles\n", "error: there are rules that let in more than is likely to be needed\n"},
		"[[allow]]\nname = 'a'\npeers = ['x']\ntpc = true\n":      {exitFailed, "", "error: " + file + ":4:1: unknown key \"allow.tpc\"; is it \"tcp\"?\n"},
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Equal(t, want, x.run("policy", "lint", file))
	}
	require.NoError(t, os.WriteFile(file, []byte("[role.x]\n[[allow]]\nname = 'a'\nguards = ['gateway']\npeers = ['x']\ntcp = true\n"), 0o600))
	require.Equal(t, exitFailed, x.run("policy", "lint", file).code)
	require.Zero(t, x.run("policy", "lint", "--policy", file).code)
}
