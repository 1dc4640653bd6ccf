package fhir_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/fhir"
)

// Every interaction of the REST API has its name, its type and its compartment.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ method, path, query, interaction, kind, compartment string }{
		{"GET", "Patient/123", "", "read", "Patient", ""},
		{"HEAD", "Patient/123", "_summary=true", "read", "Patient", ""},
		{"GET", "Patient/123/_history/4", "", "vread", "Patient", ""},
		{"PUT", "Patient/123", "", "update", "Patient", ""},
		{"PUT", "Patient", "identifier=7", "conditional-update", "Patient", ""},
		{"PATCH", "Patient/123", "_pretty=true", "patch", "Patient", ""},
		{"PATCH", "Patient", "identifier=7", "conditional-patch", "Patient", ""},
		{"DELETE", "Patient/123", "", "delete", "Patient", ""},
		{"DELETE", "Patient", "identifier=7", "conditional-delete", "Patient", ""},
		{"DELETE", "", "_lastUpdated=lt2020", "conditional-delete", "", ""},
		{"POST", "Observation", "", "create", "Observation", ""},
		{"GET", "Patient/123/_history", "", "history-instance", "Patient", ""},
		{"GET", "Patient/_history", "", "history-type", "Patient", ""},
		{"GET", "_history", "_since=2026", "history-system", "", ""},
		{"GET", "Observation", "code=8480-6", "search-type", "Observation", ""},
		{"GET", "Observation", "", "search-type", "Observation", ""},
		{"POST", "Observation/_search", "", "search-type", "Observation", ""},
		{"GET", "", "_type=Patient", "search-system", "", ""},
		{"POST", "_search", "", "search-system", "", ""},
		{"GET", "Patient/123/Observation", "code=1", "search-type", "Observation", "Patient"},
		{"POST", "Patient/123/Observation/_search", "", "search-type", "Observation", "Patient"},
		{"GET", "Patient/123/*", "", "search-system", "", "Patient"},
		{"POST", "Patient/123/_search", "", "search-system", "", "Patient"},
		{"GET", "metadata", "", "capabilities", "", ""},
		{"GET", ".well-known/smart-configuration", "", "capabilities", "", ""},
		{"POST", "", "", "batch", "", ""},
		{"GET", "Patient/123/$everything", "", "instance/$everything", "Patient", ""},
		{"POST", "Patient/$match", "", "type/$match", "Patient", ""},
		{"POST", "$process-message", "", "system/$process-message", "", ""},
		{"GET", "Patient/123/_history/4/$meta", "", "instance/$meta", "Patient", ""},
	} {
		a, err := fhir.Parse(fhir.Request{Method: tt.method, Path: tt.path, Query: tt.query})
		require.NoError(t, err, "%s %s", tt.method, tt.path)
		require.Equal(t, fhir.Access{Interaction: tt.interaction, Type: tt.kind, Compartment: tt.compartment}, a, "%s %s", tt.method, tt.path)
	}
	a, err := fhir.Parse(fhir.Request{Method: "POST", Path: "Observation", IfNoneExist: true})
	require.NoError(t, err)
	require.Equal(t, "conditional-create", a.Interaction)
}

// What is no interaction has no name, and so no rule can allow it.
func TestParseUnknown(t *testing.T) {
	for _, line := range []string{
		"GET Patient/", "GET Patient//1", "GET /Patient", "GET patient/1", "GET Patient/1/2", "GET Patient/a_b", "GET Pati3nt",
		"GET Patient/.", "GET Patient/..", "GET Patient/" + strings.Repeat("1", 65), "GET " + strings.Repeat("P", 65),
		"GET Patient/_search", "GET _search", "GET Patient/1/_search", "GET Patient/1/_history/", "GET Patient/1/_history/2/3", "GET Patient/_history/2",
		"GET Patient/1/_unknown", "GET _metadata", "GET metadata/1", "GET $", "GET Patient/1/$a/b", "GET Patient/1/$a$b", "GET *", "GET Patient/*",
		"GET Patient/1/Observation/2", "GET Patient/1/Observation/_history", "GET Patient/1/Observation/$lastn", "GET Patient/1/*/x",
		"POST Patient/1", "POST Patient/1/Observation", "POST Patient/1/*", "POST metadata", "POST Patient/1/_history", "POST Patient/_history",
		"PUT Patient", "PUT Patient?_format=json", "DELETE Patient?_FORMAT=json", "PUT ", "PUT ?a=b", "PUT Patient/1/Observation?a=b", "PUT Patient/1/_history/2", "PUT metadata",
		"PATCH Patient", "PATCH ?a=b", "DELETE Patient", "DELETE ", "DELETE Patient/1/_history", "DELETE Patient/1/_history/2", "DELETE Patient/1/$x",
		"OPTIONS metadata", "get Patient/1", "TRACE Patient/1", " Patient/1", "SEARCH Patient",
		"GET Patient?a;b", "GET Patient?a=%zz", "GET Patient?_include=a:b:c", "GET Patient?_revinclude=", "GET Patient?_has=x", "GET Patient?_has:x:y=1",
		"GET Patient?_include=A:b:C:d",
	} {
		method, target, _ := strings.Cut(line, " ")
		path, query, _ := strings.Cut(target, "?")
		a, err := fhir.Parse(fhir.Request{Method: method, Path: path, Query: query})
		require.ErrorIs(t, err, fhir.ErrUnknown, "%s is %+v", line, a)
	}
}

// A search that reaches for other types says which, wherever it says so.
func TestParseAlso(t *testing.T) {
	for _, tt := range []struct {
		query, form string
		also        []string
	}{
		{"code=1&subject.name=x", "", nil},
		{"_include=Observation:subject:Patient", "", []string{"Patient"}},
		{"_include=Observation:subject", "", []string{""}},
		{"_query=all", "", []string{""}},
		{"_INCLUDE:iterate=*", "", []string{""}},
		{"_include=Observation:*", "", []string{""}},
		{"_revinclude=Provenance:target&_revinclude:iterate=Provenance:agent", "", []string{"Provenance"}},
		{"_revinclude=*", "", []string{""}},
		{"_has:Condition:patient:code=1", "", []string{"Condition"}},
		{"", "_include=Observation:subject:Group&_revinclude=Media:subject", []string{"Group", "Media"}},
		{"_%69nclude=Observation:subject:Patient", "", []string{"Patient"}},
	} {
		a, err := fhir.Parse(fhir.Request{Method: "POST", Path: "Observation/_search", Query: tt.query, Form: tt.form})
		require.NoError(t, err, tt.query)
		require.Equal(t, tt.also, a.Also, tt.query)
	}
	for _, query := range []string{"_include=Observation:subject:Patient", "_revinclude=Provenance:target", "_contained=both"} {
		a, err := fhir.Parse(fhir.Request{Method: "GET", Path: "Patient/7/Observation", Query: query})
		require.NoError(t, err)
		require.Empty(t, a.Compartment, "what is included may be anybody's")
	}

	var many strings.Builder
	for i := range fhir.MaxAlso + 1 {
		many.WriteString("&_revinclude=T" + strings.Repeat("x", i))
	}
	_, err := fhir.Parse(fhir.Request{Method: "GET", Path: "Observation", Query: many.String()[1:]})
	require.ErrorIs(t, err, fhir.ErrUnknown)
}

// A delete that takes with it what refers to the resource is one of any type, and so is
// one that leaves nothing of the history.
func TestParseCascade(t *testing.T) {
	for _, query := range []string{"_cascade=delete", "_CASCADE=delete", "_expunge=true", "identifier=1&_cascade=delete"} {
		for _, path := range []string{"Patient/7", "Patient"} {
			a, err := fhir.Parse(fhir.Request{Method: "DELETE", Path: path, Query: query})
			if err == nil {
				require.Equal(t, []string{""}, a.Also, "%s?%s", path, query)
			} else {
				require.ErrorIs(t, err, fhir.ErrUnknown)
			}
		}
	}
}

// A path is below its base at a slash only.
func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		base, path, rest string
		ok               bool
	}{
		{"/fhir", "/fhir/Patient/1", "Patient/1", true},
		{"/fhir/", "/fhir/Patient/1", "Patient/1", true},
		{"/fhir", "/fhir", "", true},
		{"/fhir/", "/fhir", "", true},
		{"/fhir", "/fhir/", "", true},
		{"/", "/Patient/1", "Patient/1", true},
		{"/", "/", "", true},
		{"/fhir", "/fhirx/Patient/1", "", false},
		{"/fhir", "/other", "", false},
		{"/a/fhir", "/fhir/Patient", "", false},
	} {
		rest, ok := fhir.Below(tt.base, tt.path)
		require.Equal(t, tt.ok, ok, tt.path)
		require.Equal(t, tt.rest, rest, tt.path)
	}
}

// FuzzParse: whatever is asked, what is named is made of the words of the package and of
// types in their spelling; no id is in it; and each change is one of a resource or of a type.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"GET Patient/1", "POST Patient/1/Observation/_search", "DELETE Patient?a=b", "GET Patient/1/_history/2/$meta", "GET Observation?_include=A:b:C"} {
		method, target, _ := strings.Cut(seed, " ")
		path, query, _ := strings.Cut(target, "?")
		f.Add(method, path, query, "", false)
	}
	f.Fuzz(func(t *testing.T, method, path, query, form string, ifNoneExist bool) {
		a, err := fhir.Parse(fhir.Request{Method: method, Path: path, Query: query, Form: form, IfNoneExist: ifNoneExist})
		if err != nil {
			require.ErrorIs(t, err, fhir.ErrUnknown)
			require.Zero(t, a)
			return
		}
		require.LessOrEqual(t, len(a.Also), fhir.MaxAlso)
		for _, kind := range append(a.Also, a.Type, a.Compartment) {
			require.Regexp(t, `\A([A-Z][A-Za-z]{0,63})?\z`, kind)
		}
		require.Regexp(t, `\A(v?read|(conditional-)?(update|patch|delete|create)|history-(instance|type|system)|search-(type|system)|capabilities|batch|(system|type|instance)/\$[A-Za-z0-9._-]{1,64})\z`, a.Interaction)
		for segment := range strings.SplitSeq(path, "/") {
			require.True(t, segment != "" || path == "", "no empty segment")
		}
		if method == "GET" || method == "HEAD" {
			require.NotRegexp(t, `^(conditional-.*|update|patch|delete|create|batch)$`, a.Interaction, "GET changes nothing")
		}
	})
}
