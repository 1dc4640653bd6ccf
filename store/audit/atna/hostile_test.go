package atna_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
)

func base64Text(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// strewn returns entries with s in each field, one after the other and everywhere.
func strewn(s string) map[string]audit.Entry {
	out := make(map[string]audit.Entry)
	for _, base := range []audit.Entry{samples[0].entry, samples[9].entry, samples[len(samples)-2].entry} {
		for field, put := range map[string]func(*audit.Entry){
			"actor":   func(e *audit.Entry) { e.Actor = s },
			"subject": func(e *audit.Entry) { e.Subject = s },
			"address": func(e *audit.Entry) { e.Address = s },
			"outcome": func(e *audit.Entry) { e.Outcome = s },
			"request": func(e *audit.Entry) { e.RequestID = s },
			"action":  func(e *audit.Entry) { e.Action = "access." + s },
			"key":     func(e *audit.Entry) { e.Detail = map[string]any{s: "v", s + "\n": "w", s + "\\x0a": "x"} },
			"nested": func(e *audit.Entry) {
				e.Detail = map[string]any{"a": map[string]any{s: []any{s, map[string]any{s: s}}, s + "\n": 1, s + "\\x0a": nil}, "b": json.Number(s), "c": []string{s}}
			},
			"everything": func(e *audit.Entry) {
				e.Actor, e.Subject, e.Address, e.Outcome, e.RequestID = s, s, s, s, s
				e.Detail = map[string]any{
					s: s, "protocol": "fhir", "guard": s, "reason": s, "operation": s, "resource": s, "compartment": s, "called": s, "calling": s,
					"link": s, "number": s, "begin": s, "end": s, "status": s, "answer": s,
				}
			},
		} {
			e := base
			put(&e)
			out[base.Action+" "+field] = e
		}
	}
	return out
}

// Whatever a stranger managed to have put on record, no format that it leaves in can be
// broken by it, or made to say something else: no line ends, no element or member begins,
// nothing moves a cursor or turns text around, where it is printed or once it was parsed.
func TestHostile(t *testing.T) {
	schema := fhirSchema(t)
	documents := make(map[string][]byte)
	for what, s := range plaintest.Hostile() {
		for where, e := range strewn(s) {
			all := strings.HasSuffix(where, "everything")
			if !all && strings.HasPrefix(what, "C") { // of sixty, which differ little
				continue
			}
			from := authority
			if all {
				from = atna.Source{ID: s, Site: s, Address: s, Origin: s}
			}
			m := atna.New(e, from)
			safe(t, m)
			require.NoError(t, judgeFHIR(t, schema, m.FHIR()), "%s as %s: %s", what, where, m.FHIR())
			fhirRules(t, m.FHIR())
			if all {
				documents[fmt.Sprintf("%d", len(documents))] = m.XML()
			}
		}
	}
	require.Empty(t, judgeXML(t, documents))
}

// safe holds a message against the promise of TestHostile, in each format.
func safe(t testing.TB, m *atna.Message) {
	t.Helper()
	x, f, j := m.XML(), m.FHIR(), m.JSON()
	for _, b := range [][]byte{x, f, j} {
		for _, c := range b {
			if c < ' ' || c > '~' {
				require.Fail(t, "not printable US-ASCII", "%q", b)
			}
		}
	}
	require.Equal(t, 1, bytes.Count(x, []byte("<AuditMessage>")), "%s", x)
	for _, s := range wellFormed(t, x) {
		printable(t, s)
	}
	for _, b := range [][]byte{f, j} {
		for _, s := range strict(t, b) {
			printable(t, s)
		}
	}
	for _, format := range []atna.Format{atna.DICOM, atna.JSON} {
		msg := m.Syslog(sender, format)
		require.LessOrEqual(t, len(msg), atna.Limit)
		require.Regexp(t, header, string(msg[:min(len(msg), 600)]))
		require.Equal(t, []string{string(msg), "next"}, unframe(t, atna.Frame(atna.Frame(nil, msg), []byte("next"))))
	}
}

func printable(t testing.TB, s string) {
	t.Helper()
	require.True(t, utf8.ValidString(s))
	for _, r := range s {
		if !unicode.IsPrint(r) {
			require.Fail(t, "what a terminal acts upon", "%q", s)
		}
	}
}

// strict reads JSON of which no object may have a member twice, and returns the texts in
// it.
func strict(t testing.TB, b []byte) (texts []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var value func()
	value = func() {
		token, err := d.Token()
		require.NoError(t, err, "%s", b)
		switch token := token.(type) {
		case string:
			texts = append(texts, token)
		case json.Delim:
			names := make(map[string]bool)
			for d.More() {
				if token == '{' {
					name, err := d.Token()
					require.NoError(t, err, "%s", b)
					require.False(t, names[name.(string)], "%q twice in %s", name, b)
					names[name.(string)] = true
					texts = append(texts, name.(string))
				}
				value()
			}
			_, err := d.Token()
			require.NoError(t, err, "%s", b)
		}
	}
	value()
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF, "%s", b)
	return texts
}

// FuzzFormats: any entry gives well-formed XML 1.0, JSON without a member twice, an
// AuditEvent that the schema takes, and one syslog frame of the length that it says.
func FuzzFormats(f *testing.F) {
	schema := fhirSchema(f)
	f.Add("certificate.issue", "device/pump-7", "ok", "serial", `{"a":[1,"x"]}`, int64(1), int64(1763761922200))
	for _, s := range plaintest.Hostile() {
		f.Add("access.request", s[:min(len(s), 200)], "allowed", s[:min(len(s), 100)], `{"protocol":"fhir","operation":"read"}`, int64(7), int64(-1))
	}
	f.Fuzz(func(t *testing.T, action, who, outcome, name, detail string, seq, at int64) {
		d := make(map[string]any)
		dec := json.NewDecoder(strings.NewReader(detail))
		dec.UseNumber()
		if dec.Decode(&d) != nil || d == nil {
			d = map[string]any{"text": detail, "number": json.Number(detail)}
		}
		d[name] = who
		d[name+"\n"] = []any{name, at}
		e := audit.Entry{Seq: seq, At: time.UnixMilli(at), Hash: tlog.Hash{1}, Event: audit.Event{
			Action: action, Actor: who, Subject: name, Address: who, Outcome: outcome, RequestID: name, Detail: d,
		}}
		for _, from := range []atna.Source{authority, {ID: who, Site: name, Address: who, Origin: detail, Guard: true}} {
			m := atna.New(e, from)
			safe(t, m)
			require.NoError(t, judgeFHIR(t, schema, m.FHIR()), "%s", m.FHIR())
			fhirRules(t, m.FHIR())
		}
	})
}
