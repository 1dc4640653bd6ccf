package rulefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/strict"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

const td = "hospital.example"

const good = `
[[allow]]
name     = "pumps-report"
peers    = ["device/pump-*", "spiffe://partner.example/device"]
listener = ["fhir"]
fhir     = { interactions = ["create"], types = ["Observation"] }

[[allow]]
name  = "wards"
peers = ["gateway"]
http  = { methods = ["GET"], routes = ["/wards/"] }

[[allow]]
name  = "archive"
peers = ["service/pacs"]
dicom = { called = ["ARCHIVE"], sop_classes = ["1.2.840.10008.5.1.4.1.1.*"], commands = ["C-STORE"] }

[[allow]]
name  = "lab"
peers = ["service/lab"]
hl7   = { messages = ["ORU^*"] }

[[allow]]
name  = "db"
peers = ["service/ehr"]
tcp   = true

[[allow]]
name  = "chart"
peers = ["service/portal"]
fhir  = { compartments = ["Patient"] }

[[allow]]
name  = "names"
peers = ["service/portal"]
fhir  = { interactions = ["search"], types = ["Observation"], include = ["Patient"] }
`

// A file becomes rules of its trust domain.
func TestParse(t *testing.T) {
	f, err := rulefile.Parse("rules.toml", []byte(good), td)
	require.NoError(t, err)
	require.False(t, f.Observe)
	require.Equal(t, []allow.Rule{
		{Name: "pumps-report", Peers: []string{"spiffe://hospital.example/device/pump-*", "spiffe://partner.example/device"}, Listeners: []string{"fhir"},
			FHIR: &allow.FHIRRule{Interactions: []string{"create"}, Types: []string{"Observation"}}},
		{Name: "wards", Peers: []string{"spiffe://hospital.example/gateway"}, HTTP: &allow.HTTPRule{Methods: []string{"GET"}, Routes: []string{"/wards/"}}},
		{Name: "archive", Peers: []string{"spiffe://hospital.example/service/pacs"}, DICOM: &allow.DICOMRule{Called: []string{"ARCHIVE"},
			SOPClasses: []string{"1.2.840.10008.5.1.4.1.1.*"}, Commands: []string{"C-STORE"}}},
		{Name: "lab", Peers: []string{"spiffe://hospital.example/service/lab"}, HL7: &allow.HL7Rule{Messages: []string{"ORU^*"}}},
		{Name: "db", Peers: []string{"spiffe://hospital.example/service/ehr"}, TCP: true},
		{Name: "chart", Peers: []string{"spiffe://hospital.example/service/portal"}, FHIR: &allow.FHIRRule{Compartments: []string{"Patient"}}},
		{Name: "names", Peers: []string{"spiffe://hospital.example/service/portal"},
			FHIR: &allow.FHIRRule{Interactions: []string{"search"}, Types: []string{"Observation"}, Include: []string{"Patient"}}},
	}, f.Rules.Rules())

	f, err = rulefile.Parse("rules.toml", []byte("observe = true\n"), td)
	require.NoError(t, err)
	require.True(t, f.Observe)
	require.Empty(t, f.Rules.Rules())
}

// Whatever is wrong is named with its line, all of it at once.
func TestParseErrors(t *testing.T) {
	const begin = "[[allow]]\nname = 'a'\npeers = ['device']\n"
	for text, want := range map[string][]string{
		"":                                    {"r:1:1: no [[allow]]"},
		"observe = false\n":                   {"r:1:1: no [[allow]]"},
		"[[allows]]\n":                        {`r:1:3: unknown key "allows"; is it "allow"?`},
		begin + "htp = {}\n":                  {`r:4:1: unknown key "allow.htp"; is it "http"?`},
		begin + "http = {method = ['GET']}\n": {`r:4:9: unknown key "allow.http.method"; is it "methods"?`},
		begin + "tcp = 'yes'\n":               {`r:4:7: "allow.tcp" cannot be of type string`},
		begin + "tcp = false\n":               {`r:1:3: rule "a": a rule has exactly one of`, `r:4:7: tcp = false says nothing`},
		begin:                                 {`r:1:3: rule "a": a rule has exactly one of tcp, http, fhir, hl7 and dicom`},
		begin + "tcp = true\nhl7 = {}\n":      {`r:1:3: rule "a": a rule has exactly one of`},
		begin + "http = {routes = ['/a', 'b']}\n":                     {`r:4:25: rule "a": "b" is not a route`},
		begin + "[allow.fhir]\ntypes = [\n 'Patient',\n 'patient']\n": {`r:7:2: rule "a": "patient" is not a resource type`},
		begin + "hl7 = {messages = []}\n":                             {`r:4:8: rule "a": an empty list allows nothing`},
		begin + "tcp = true\n" + begin + "tcp = true\n":               {`r:6:1: rule "a": another rule has this name`},
		"[[allow]]\npeers = ['device', 'Device', 'spiffe://x/y/z/a']\ntcp = true\n": {
			`r:1:3: the name must be`, `r:2:20: "Device" is not a peer such as device/SN-*`, `r:2:30: "spiffe://x/y/z/a"`},
		"[[allow]]\nname = 'b'\ntcp = true\n":               {`r:1:3: rule "b": no peer is named`},
		"[[allow]]\nname = 'b'\npeers = ['']\ntcp = true\n": {`r:3:10: rule "b": "" is not a peer`},
		begin + "tcp = true\nlistener = ['a b']\n":          {`r:5:13: rule "a": "a b" is not the name of a listener`},
		begin + "tcp = true\n[[allow]]\nname = 'c'\npeers = ['*/a/b']\nhttp = {methods = ['get']}\n": {
			`r:7:10: rule "c": "*/a/b" is not a peer`, `r:8:20: rule "c": "get" is not a method`},
		"x = \n":                     {"r:1:"},
		strings.Repeat("#", 1<<20+1): {"r: longer than"},
	} {
		_, err := rulefile.Parse("r", []byte(text), td)
		require.Error(t, err, text)
		lines := strings.Split(err.Error(), "\n")
		require.Len(t, lines, len(want), "%s", err)
		for i := range want {
			require.True(t, strings.HasPrefix(lines[i], want[i]), "%s\nsays %s", text, lines[i])
		}
	}
	_, err := rulefile.Read(filepath.Join(t.TempDir(), "none"), td)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What is written is read back as it was.
func TestAppend(t *testing.T) {
	f, err := rulefile.Parse("r", []byte(good), td)
	require.NoError(t, err)
	for _, domain := range []string{td, "partner.example", ""} {
		var text []byte
		for _, r := range f.Rules.Rules() {
			text = rulefile.Append(text, r, domain, "one line\nname = 'x'", "\x00")
		}
		again, err := rulefile.Parse("r", text, domain)
		require.NoError(t, err, "%s", text)
		require.Equal(t, f.Rules.Rules(), again.Rules.Rules())
	}
}

// FuzzParse: what is read can be written, and read again as the same.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("observe = true\nallow = [{name = 'a', peers = ['*'], http = {routes = ['/\\u00e9\\t']}}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := rulefile.Parse("r", []byte(text), td)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "r:"))
			return
		}
		rulefile.Lint("r", []byte(text), file)
		out := []byte("observe = true\n")
		for _, r := range file.Rules.Rules() {
			out = rulefile.Append(out, r, td)
		}
		again, err := rulefile.Parse("r", out, td)
		require.NoError(t, err, "%s", out)
		require.Equal(t, file.Rules.Rules(), again.Rules.Rules())
	})
}

// The linter warns of what is wide, at its place, and of nothing else.
func TestLint(t *testing.T) {
	lint := func(text string) []*strict.Error {
		file, err := rulefile.Parse("r", []byte(text), td)
		require.NoError(t, err)
		return rulefile.Lint("r", []byte(text), file)
	}
	warnings := lint(`observe = true
[[allow]]
name = "a"
peers = ["*", "device", "*/x"]
http = { routes = ["/a", "/"] }
[[allow]]
name = "b"
peers = ["device/pump-*"]
fhir = { interactions = ["read", "*"], types = ["A","B","C","D","E","F","G","H","I","J","K","L","M"] }
[[allow]]
name = "c"
peers = ["device"]
hl7 = {}
[[allow]]
name = "d"
peers = ["device"]
dicom = { called = ["X"], sop_classes = ["*"] }
[[allow]]
name = "fine"
peers = ["device"]
fhir = { interactions = ["read"], types = ["Patient"] }
`)
	var got []string
	for _, w := range warnings {
		got = append(got, w.Error())
	}
	for i, want := range []string{
		"r:1:1: observe", `r:4:10: rule "a": whomever`, `r:4:25: rule "a": whomever`, `r:5:1: rule "a": every method`, `r:5:26: rule "a": every route`,
		`r:9:34: rule "b": every interaction`, `r:9:40: rule "b": 13 kinds`, `r:13:1: rule "c": every message`, `r:17:1: rule "d": every command`, `r:17:42: rule "d": every SOP class`,
	} {
		require.True(t, len(got) > i && strings.HasPrefix(got[i], want), "%s: %q", want, got)
	}
	require.Len(t, got, 10)
	require.Len(t, lint(good), 2, "the chart of any type, by any interaction")
}

// The rules of a policy are read without the rest of it.
func TestParsePolicy(t *testing.T) {
	f, err := rulefile.ParsePolicy("p", []byte("[role.device]\nlifetime = '7d'\n[[allow]]\nname = 'a'\nguards = ['gateway']\npeers = ['device']\ntcp = true\n"), td)
	require.NoError(t, err)
	require.Equal(t, []allow.Rule{{Name: "a", Peers: []string{"spiffe://hospital.example/device"}, TCP: true}}, f.Rules.Rules())
	f, err = rulefile.ParsePolicy("p", []byte("[role.device]\n"), td)
	require.NoError(t, err)
	require.Empty(t, f.Rules.Rules())
	_, err = rulefile.ParsePolicy("p", []byte("[[allow]]\nname = 'a'\npeers = ['device']\ntpc = true\n"), td)
	require.ErrorContains(t, err, `p:4:1: unknown key "allow.tpc"; is it "tcp"?`)
}
