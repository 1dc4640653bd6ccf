package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// Before a FHIR server a machine does what its rules say of interactions, types and
// compartments; the form of a search by POST counts, and arrives whole. No record has
// whose record it was.
func TestFHIR(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), web.Conf{FHIR: "/fhir"})
	set := rules(
		allow.Rule{Name: "vitals", FHIR: &allow.FHIRRule{Interactions: []string{"create", "search-type"}, Types: []string{"Observation"}}},
		allow.Rule{Name: "chart", FHIR: &allow.FHIRRule{Interactions: []string{"search-type"}, Compartments: []string{"Patient"}}},
		allow.Rule{Name: "page", HTTP: &allow.HTTPRule{Methods: []string{"GET"}, Routes: []string{"/fhir/swagger/", "/about"}}},
	)
	g.route.Rules = func() allow.Set { return set }
	p, _ := w.caller()
	client := w.http(p, false)
	const form = "application/x-www-form-urlencoded"
	for i, tt := range []struct {
		method, target, body      string
		status                    int
		protocol                  record.Protocol
		operation, resource, rule string
	}{
		{"POST", "/fhir/Observation", "{}", 200, record.FHIR, "create", "Observation", "vitals"},
		{"PUT", "/fhir/Observation/smith-1", "{}", 403, record.FHIR, "update", "Observation", ""},
		{"GET", "/fhir/Patient/smith-1", "", 403, record.FHIR, "read", "Patient", ""},
		{"GET", "/fhir/Observation?code=1", "", 200, record.FHIR, "search-type", "Observation", "vitals"},
		{"GET", "/fhir/Observation?_include=Observation:subject:Patient", "", 403, record.FHIR, "search-type", "Observation", ""},
		{"POST", "/fhir/Observation/_search", "code=1", 200, record.FHIR, "search-type", "Observation", "vitals"},
		{"POST", "/fhir/Observation/_search", "_revinclude=Provenance:target", 403, record.FHIR, "search-type", "Observation", ""},
		{"POST", "/fhir/Observation/_search", strings.Repeat("x", 65<<10), 413, record.HTTP, "POST", "/fhir/*/_search", ""},
		{"GET", "/fhir/Patient/smith-1/Condition", "", 200, record.FHIR, "search-type", "Condition", "chart"},
		{"POST", "/fhir", "{}", 403, record.FHIR, "batch", "", ""},
		{"GET", "/fhir/swagger/index", "", 200, record.HTTP, "GET", "/fhir/swagger/index", "page"},
		{"GET", "/fhir/unknown", "", 403, record.HTTP, "GET", "/fhir/unknown", ""},
		{"GET", "/about", "", 200, record.HTTP, "GET", "/about", "page"},
		{"GET", "/fhirs/Observation", "", 403, record.HTTP, "GET", "/fhirs/*", ""},
	} {
		r, err := http.NewRequest(tt.method, "https://"+g.addr+tt.target, strings.NewReader(tt.body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", form)
		response, err := client.Do(r)
		require.NoError(t, err)
		require.Equal(t, tt.status, response.StatusCode, tt.target)
		if body := readAll(t, response.Body); tt.status == 200 {
			require.Equal(t, tt.body, body)
		}
		kept := g.wait(t, i+1)[i]
		require.Equal(t, []any{tt.protocol, tt.operation, tt.resource, tt.rule, tt.status}, []any{kept.Protocol, kept.Operation, kept.Resource, kept.Rule, kept.Status}, "%s %s", tt.method, tt.target)
		for _, text := range []string{kept.Resource, kept.Operation, kept.Reason, kept.Also, kept.Compartment} {
			require.NotContains(t, text, "smith")
		}
	}
}

// A search that a parameter keeps within a compartment is covered by a rule of that
// compartment, and the server is told not to ignore the parameter. Who tells it to is not
// covered, and where a rule allows all of the type nobody is told anything.
func TestFHIRSearched(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Join(r.Header["Prefer"], "; "))
	}), web.Conf{FHIR: "/fhir"})
	set := rules(
		allow.Rule{Name: "chart", FHIR: &allow.FHIRRule{Interactions: []string{"search-type"}, Types: []string{"Observation"}, Compartments: []string{"Patient"}}},
		allow.Rule{Name: "all", FHIR: &allow.FHIRRule{Interactions: []string{"search-type"}, Types: []string{"Condition"}}},
	)
	g.route.Rules = func() allow.Set { return set }
	p, _ := w.caller()
	client := w.http(p, false)
	for i, tt := range []struct {
		target, prefer string
		status         int
		told           string
	}{
		{"/fhir/Observation?patient=smith", "", 200, "handling=strict"},
		{"/fhir/Observation?patient=smith", "return=minimal", 200, "return=minimal; handling=strict"},
		{"/fhir/Observation?patient=smith", "handling=lenient", 403, ""},
		{"/fhir/Observation?patient=smith", "return=minimal, Handling = lenient", 403, ""},
		{"/fhir/Observation?patient=smith,jones", "", 403, ""},
		{"/fhir/Observation?encounter=Encounter/1", "", 403, ""},
		{"/fhir/Observation", "", 403, ""},
		{"/fhir/Condition?patient=smith", "", 200, ""},
	} {
		r, err := http.NewRequest("GET", "https://"+g.addr+tt.target, nil)
		require.NoError(t, err)
		if tt.prefer != "" {
			r.Header.Set("Prefer", tt.prefer)
		}
		response, err := client.Do(r)
		require.NoError(t, err)
		require.Equal(t, tt.status, response.StatusCode, "%+v", tt)
		if body := readAll(t, response.Body); tt.status == 200 {
			require.Equal(t, tt.told, body)
			require.Equal(t, "Patient", g.wait(t, i+1)[i].Compartment)
		}
		if strings.Contains(strings.ToLower(tt.prefer), "handling") {
			require.Empty(t, g.wait(t, i+1)[i].Compartment, "no rule of one is suggested for it")
		}
	}
}

// What the guard cannot read of a search as the server will is no search that a rule of
// FHIR covers: a form that is packed, of another character set or of another type. And a
// create is conditional however the header that makes it so is written.
func TestFHIRHidden(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(http.ResponseWriter, *http.Request) {}), web.Conf{FHIR: "/fhir"})
	set := rules(allow.Rule{Name: "vitals", FHIR: &allow.FHIRRule{Interactions: []string{"create", "search-type"}, Types: []string{"Observation"}}})
	g.route.Rules = func() allow.Set { return set }
	p, _ := w.caller()
	client := w.http(p, false)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, "_include=Observation:subject:Patient")
	require.NoError(t, z.Close())
	const form, search, create = "application/x-www-form-urlencoded", "/fhir/Observation/_search", "/fhir/Observation"
	for i, tt := range []struct {
		target, body string
		header       http.Header
		status       int
	}{
		{search, "code=1", http.Header{"Content-Type": {form + "; charset=UTF-8"}}, 200},
		{search, "", http.Header{}, 200},
		{search, "code=1", http.Header{}, 403},
		{search, packed.String(), http.Header{"Content-Type": {form}, "Content-Encoding": {"gzip"}}, 403},
		{search, packed.String(), http.Header{"Content-Type": {form}, "Content_encoding": {"gzip"}}, 403},
		{search, "+AF8-include=Observation:subject:Patient", http.Header{"Content-Type": {form + "; charset=utf-7"}}, 403},
		{search, "code=1", http.Header{"Content-Type": {form, form + "; charset=utf-7"}}, 403},
		{search, "code=1", http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, 403},
		{create, "{}", http.Header{}, 200},
		{create, "{}", http.Header{"If-None-Exist": {"identifier=1"}}, 403},
		{create, "{}", http.Header{"If-None-Exist": {"", "identifier=1"}}, 403},
		{create, "{}", http.Header{"If_none_exist": {"identifier=1"}}, 403},
	} {
		r, err := http.NewRequest("POST", "https://"+g.addr+tt.target, strings.NewReader(tt.body))
		require.NoError(t, err)
		r.Header = tt.header
		response, err := client.Do(r)
		require.NoError(t, err)
		require.Equal(t, tt.status, response.StatusCode, "%d: %s %v", i, tt.target, tt.header)
		readAll(t, response.Body)
	}
}
