package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/deliver/webhook"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
	formats "github.com/betonica/betonica/store/compliance/report"
)

// What a stranger had put on record can be read in any format without doing anything to
// who reads it: an entry is one line of a list, or one document, none of its characters
// acts on a terminal, and it stays the entry that it is. All formats that the log is
// shown in or leaves in are here; a new one is added.
func TestNoInjection(t *testing.T) {
	harmless, controls := safeguards(t, "x"), ""
	for what, s := range plaintest.Hostile() {
		event := audit.Event{
			Action: "certificate.refuse", Actor: s, Subject: s, Address: s, Outcome: s, RequestID: s,
			Detail: map[string]any{s: s, "operation": s, "resource": s, "nested": map[string]any{s: []any{s}}},
		}
		e := adminapi.Entry{
			Seq: 7, At: time.Unix(1763761922, 0), Action: event.Action, Actor: s, Subject: s, Address: s, Outcome: s, RequestID: s, Detail: event.Detail, Hash: "x",
		}
		for format, out := range map[string]string{
			"list as a table":    rendered(t, asTable, entryColumns, e),
			"list as JSON":       rendered(t, asJSON, entryColumns, e),
			"list as NDJSON":     rendered(t, asNDJSON, entryColumns, e),
			"records as a table": rendered(t, asTable, recordColumns, adminapi.JournalEntry{Identity: s, Journal: s, Entry: e}),
			"reviews as a table": rendered(t, asTable, reviewColumns, reviewRow{Reviewed: adminapi.Reviewed{By: s, Word: s}}),
			"records as NDJSON":  rendered(t, asNDJSON, recordColumns, adminapi.JournalEntry{Identity: s, Journal: s, Entry: e}),
			"the tool's log":     logged(s, func(b *bytes.Buffer) *slog.Logger { return logger(environment{stderr: &cleanWriter{b}}, false) }),
			"the daemon's log":   logged(s, func(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewJSONHandler(plain.JSONWriter(b), nil)) }),
			"DICOM":              atnaText(event, s, (*atna.Message).XML),
			"FHIR":               atnaText(event, s, (*atna.Message).FHIR),
			"JSON lines":         atnaText(event, s, (*atna.Message).JSON),
			"syslog frames": atnaText(event, s, func(m *atna.Message) []byte {
				return atna.Frame(nil, m.Syslog(atna.Sender{Host: s, App: s, PID: s}, atna.DICOM))
			}),
			"webhook": atnaText(event, s, func(m *atna.Message) []byte {
				var text bytes.Buffer
				require.NoError(t, webhook.Header(append([]byte(s), "at least as long as a secret is"...), m.ID(), time.Unix(1763761922, 0), m.JSON()).Write(&text))
				header := strings.ReplaceAll(text.String(), "\r\n", " ")
				require.Len(t, strings.Fields(header), 2*4, "%s: %q", what, header)
				return append(append([]byte(header), ' '), m.JSON()...)
			}),
			"syslog frames, JSON": atnaText(event, s, func(m *atna.Message) []byte {
				return atna.Frame(nil, m.Syslog(atna.Sender{Host: s, App: s, PID: s}, atna.JSON))
			}),
		} {
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			wanted := 1
			switch format {
			case "list as a table", "records as a table", "reviews as a table":
				wanted = 2 // the heads
			case "list as JSON":
				wanted = 3 // the brackets
			}
			require.Len(t, lines, wanted, "%s in %s: %q", what, format, out)
			require.True(t, utf8.ValidString(out), "%s in %s", what, format)
			require.Negative(t, strings.IndexFunc(strings.Join(lines, ""), active), "%s in %s: %q", what, format, out)
			if strings.Contains(format, "JSON") && !strings.Contains(format, "frames") || format == "FHIR" || format == "the daemon's log" {
				require.True(t, json.Valid([]byte(out)), "%s in %s: %s", what, format, out)
			}
		}
		if strings.HasPrefix(what, "C0 ") || strings.HasPrefix(what, "C1 ") {
			controls += s // a report takes its time
			continue
		}
		uninjected(t, what, harmless, safeguards(t, s))
	}
	uninjected(t, "control characters", harmless, safeguards(t, controls))
}

// uninjected fails if a document has other lines than one of harmless words, or characters
// that act.
func uninjected(t *testing.T, what string, harmless, documents map[string]string) {
	t.Helper()
	for format, out := range documents {
		require.Equal(t, strings.Count(harmless[format], "\n"), strings.Count(out, "\n"), "%s begins a line in %s", what, format)
		require.True(t, utf8.ValidString(out), "%s in %s", what, format)
		require.Negative(t, strings.IndexFunc(strings.ReplaceAll(out, "\n", ""), active), "%s in %s", what, format)
		if strings.HasSuffix(format, "json") {
			require.True(t, json.Valid([]byte(out)), "%s in %s", what, format)
		}
	}
}

// safeguards are the formats that results of checks are told in, of many lines each.
func safeguards(t *testing.T, s string) map[string]string {
	t.Helper()
	row := compliance.Row{What: s, Detail: s}
	run := &compliance.Run{
		Profile: s, Title: s, Note: s, Proposed: true, TrustDomain: s, Program: s, Digest: s, Beyond: []string{s},
		Results: []compliance.Result{
			{ID: s, Safeguard: compliance.Access, Cites: []string{s}, Title: s, State: compliance.Fail, Found: s, Do: s, Rule: s, Query: s, Rows: []compliance.Row{row}},
			{ID: "308-07", Safeguard: compliance.Access, Cites: []string{s}, Title: s, State: compliance.Attested, Found: s, By: s},
		},
		Changes: []compliance.Change{{ID: s, Title: s, To: compliance.Pass}}, Last: &time.Time{},
		Safeguards: []compliance.Sentence{{Safeguard: compliance.Access, Cite: s, Text: s}},
	}
	facts := &compliance.Facts{TrustDomain: s, Attested: map[string]compliance.Attestation{"308-07": {Word: s, By: s}}}
	facts.Identities.Ownerless.Add(s, s)
	facts.Reviews.Done = []compliance.LogReview{{By: s, Word: s, Own: 1}}
	facts.Emergency.Reviewed = []compliance.PowerReview{{Person: s, By: s, Word: s}}
	facts.Identities.Privileged = []compliance.Person{{Path: s, Owner: s}}
	facts.Access.Edges = []compliance.Edge{{Role: s, Guard: s, Route: s, Protocol: s, Allowed: 1}}
	facts.Access.Logoffs = map[string]int64{s: 1}
	facts.Policy.Rules = []compliance.Rule{{Name: s, Peers: []string{s}, Wide: []string{s}}}
	facts.System.Backup = compliance.Backup{At: time.Unix(1763761922, 0), File: s}
	var table bytes.Buffer
	require.NoError(t, writeRun(&table, run))
	var document bytes.Buffer
	require.NoError(t, writeOne(environment{stdout: &document}, asJSON, run, nil))
	all := map[string]string{"check as a table": table.String(), "check as json": document.String(), "review as a table": reviewText(t, s)}
	files, err := formats.Write(formats.Input{Run: run, Facts: facts, Evidence: &pack.ProofFile{}})
	require.NoError(t, err)
	for _, f := range files {
		all[f.Name] = string(f.Text)
	}
	return all
}

func rendered[T any](t *testing.T, form output, columns []column[T], item T) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeList(environment{stdout: &out}, form, columns, iter.Seq2[T, error](func(yield func(T, error) bool) { yield(item, nil) })))
	return out.String()
}

func logged(s string, to func(*bytes.Buffer) *slog.Logger) string {
	var out bytes.Buffer
	to(&out).Warn("refused", "actor", s, "reason", fmt.Errorf("name %s is not covered", s), s, s)
	return out.String()
}

func atnaText(e audit.Event, s string, write func(*atna.Message) []byte) string {
	return string(write(atna.New(audit.Entry{Seq: 7, At: time.Unix(1763761922, 0), Event: e}, atna.Source{ID: s, Site: s, Address: s, Origin: s})))
}
