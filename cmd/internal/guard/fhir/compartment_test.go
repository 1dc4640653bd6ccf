package fhir_test

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/fhir"
)

// A search is of a compartment where a parameter of its definition names one head, and
// nothing else could be meant.
func TestWithin(t *testing.T) {
	for search, want := range map[string]string{
		"Observation?patient=Patient/123":                 "Patient",
		"Observation?patient=123&code=1&_count=5":         "Patient",
		"Observation?subject=Patient/123":                 "Patient",
		"Observation?subject:Patient=123":                 "Patient",
		"Observation?sub%6Aect=Patient%2F123":             "Patient",
		"Observation?encounter=Encounter/9":               "Encounter",
		"Observation?device=Device/9":                     "Device",
		"Observation?subject=Device/9":                    "Device",
		"Observation?performer=Practitioner/9":            "Practitioner",
		"Observation?performer=RelatedPerson/9":           "RelatedPerson",
		"Observation?patient=1&encounter=Encounter/2":     "Patient",
		"Encounter?patient=1":                             "Patient",
		"Patient?_id=123":                                 "Patient",
		"Patient?general-practitioner=Practitioner/1":     "Practitioner",
		"MedicationAdministration?context=Encounter/1":    "Encounter",
		"Observation?patient=1&_has:Condition:patient:c=": "Patient",
		"DeviceUseStatement?patient=Patient/1":            "Patient",
		"DeviceUseStatement?patient:Patient=1":            "Patient",

		"Observation":                                    "",
		"Observation?patient=":                           "",
		"Observation?subject=123":                        "", // a group's, perhaps
		"Observation?subject=Group/123":                  "",
		"DeviceUseStatement?patient=123":                 "", // a group's, perhaps: R4 says patient of both
		"Observation?encounter=9":                        "",
		"Observation?patient=1,2":                        "",
		"Observation?patient=1%2C2":                      "",
		"Observation?patient=Patient/1,Patient/2":        "",
		"Observation?patient=1&patient=2":                "",
		"Observation?patient=1&Patient=2":                "",
		"Observation?patient=1&patient+=2":               "",
		"Observation?patient=1&patient:missing=true":     "",
		"Observation?patient=1&patient.name=x":           "",
		"Observation?Patient=1":                          "",
		"Observation?patient.name=Smith":                 "",
		"Observation?patient:Patient.name=Smith":         "",
		"Observation?patient:missing=false":              "",
		"Observation?patient:not=1":                      "",
		"Observation?subject:Group=1":                    "",
		"Observation?subject:Patient=Patient/1":          "",
		"Observation?patient:identifier=1":               "",
		"Observation?patient=Patient/1/_history/2":       "",
		"Observation?patient=http://x/fhir/Patient/1":    "",
		"Observation?patient=Patient/":                   "",
		"Observation?patient=Patient/..":                 "",
		"Observation?patient=1|2":                        "",
		"Observation?patient=ne1%20":                     "",
		"Observation?focus=Patient/1":                    "", // of no definition
		"Medication?patient=1":                           "", // of no compartment
		"Patient?_id=1,2":                                "",
		"Patient?_id:not=1":                              "",
		"Patient?identifier=1":                           "",
		"Observation?_id=1":                              "",
		"Observation?patient=1&_include=*":               "",
		"Observation?patient=1&_revinclude=Provenance:x": "",
		"Observation?patient=1&_query=all":               "",
		"Observation?_has:Patient:observation:_id=1":     "",
		"?_type=Observation&patient=1":                   "",
		"Observation/_history?patient=1":                 "",
	} {
		path, query, _ := strings.Cut(search, "?")
		a, err := fhir.Parse(fhir.Request{Method: "GET", Path: path, Query: query})
		require.NoError(t, err, search)
		require.Equal(t, want, a.Compartment, search)
		require.Equal(t, want != "", a.ByParameter, search)
	}
	a, err := fhir.Parse(fhir.Request{Method: "GET", Path: "Patient/1/Observation", Query: "patient=2"})
	require.NoError(t, err)
	require.False(t, a.ByParameter)
}

// Of a search by POST the form counts, and only where there is nothing in the URL beside;
// what changes resources is of no compartment by what it looks for.
func TestWithinForm(t *testing.T) {
	for _, tt := range []struct{ method, path, query, form, want string }{
		{"POST", "Observation/_search", "", "patient=1", "Patient"},
		{"POST", "Observation/_search", "patient=1", "", ""},
		{"POST", "Observation/_search", "code=1", "patient=1", ""},
		{"POST", "Observation/_search", "patient=1", "patient=2", ""},
		{"PUT", "Observation", "patient=1", "", ""},
		{"DELETE", "Observation", "patient=1", "", ""},
		{"POST", "Observation", "patient=1", "", ""},
	} {
		a, err := fhir.Parse(fhir.Request{Method: tt.method, Path: tt.path, Query: tt.query, Form: tt.form})
		require.NoError(t, err)
		require.Equal(t, tt.want, a.Compartment, "%+v", tt)
	}
}

// The table is of R4's spelling, has each pair once, and as many types as R4's definitions
// have, but those that are in a compartment as its head alone.
func TestCompartments(t *testing.T) {
	text, err := os.ReadFile("compartments.txt")
	require.NoError(t, err)
	row := regexp.MustCompile(`^(Patient|Encounter|RelatedPerson|Practitioner|Device) [A-Z][A-Za-z]+( [a-z]+(-[a-z]+)*)+$`)
	counts, seen := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		require.Regexp(t, row, line)
		words := strings.Fields(line)
		require.False(t, seen[words[0]+words[1]], line)
		seen[words[0]+words[1]] = true
		counts[words[0]]++
	}
	require.Equal(t, map[string]int{"Patient": 66, "Encounter": 24, "RelatedPerson": 31, "Practitioner": 58, "Device": 32}, counts)
}

// FuzzWithin: whatever a search says, it is of a compartment by its parameters only if one
// of them, taken as any server would, names one resource of that type, or is a bare id.
func FuzzWithin(f *testing.F) {
	for _, seed := range []string{"patient=1", "subject=Patient/1", "subject:Patient=1", "patient=1,2", "patient=1&patient.name=x", "_include=*&patient=1", "patient%3AGroup=1"} {
		f.Add("Observation", seed)
	}
	f.Fuzz(func(t *testing.T, kind, query string) {
		a, err := fhir.Parse(fhir.Request{Method: "GET", Path: kind, Query: query})
		if err != nil || !a.ByParameter {
			return
		}
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		one := regexp.MustCompile(`\A(` + a.Compartment + `/)?[A-Za-z0-9.-]{1,64}\z`)
		named := false
		for name, list := range values {
			named = named || len(list) == 1 && !strings.ContainsAny(name, ".") && one.MatchString(list[0])
			require.NotRegexp(t, `(?i)^_(include|revinclude|query|graph|contained)`, name)
		}
		require.True(t, named, query)
	})
}
