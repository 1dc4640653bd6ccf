package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/report"
)

// written returns a report's files by name.
func written(t testing.TB, f *compliance.Facts, profile string) map[string][]byte {
	files, err := report.Write(input(t, f, profile))
	require.NoError(t, err)
	all := map[string][]byte{}
	for _, one := range files {
		all[one.Name] = one.Text
	}
	return all
}

// The page needs nothing but itself: no script, no picture, font or style of elsewhere, and
// nothing to click that leads away.
func TestSelfContained(t *testing.T) {
	doc, err := html.Parse(bytes.NewReader(written(t, hospital(), "")["report.html"]))
	require.NoError(t, err)
	tags := map[string]int{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		tags[n.Data]++
		for _, a := range n.Attr {
			require.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
			if a.Key == "href" || a.Key == "src" {
				require.True(t, strings.HasPrefix(a.Val, "#"), a.Val)
			}
		}
	}
	for _, tag := range []string{"script", "link", "img", "iframe", "object", "form", "base"} {
		require.Zero(t, tags[tag], tag)
	}
	require.Len(t, regexp.MustCompile(`url\(|@import`).FindAll(written(t, hospital(), "")["report.html"], -1), 0)
}

// The page calls nobody compliant, and says of what is proposed that it is.
func TestWordsOfThePage(t *testing.T) {
	current, proposed := string(written(t, hospital(), "")["report.html"]), string(written(t, hospital(), "hipaa-nprm")["report.html"])
	for _, page := range []string{current, proposed} {
		require.NotRegexp(t, `(?i)\bcompliant\b|in compliance`, page)
		require.Contains(t, page, "evidence supporting 164.312(a)")
		require.Contains(t, page, "Not provable from here")
		require.NotContains(t, page, "%!")
	}
	require.Contains(t, proposed, "proposed, not law")
	require.NotContains(t, current, "proposed, not law")
	require.Contains(t, current, "812 machines")
	require.Contains(t, current, "952 active identities, each with keys of its own. None is shared.")
}

// The page shows what became of alerts: who said what to which, and what nobody has seen.
func TestAlertsOfThePage(t *testing.T) {
	page := string(written(t, hospital(), "")["report.html"])
	require.Regexp(t, `6, A02, critical</td><td>modality/xr-4</td><td>[^<]+</td><td>officer/ben.osei, [^<]+</td><td>\d[^<]+</td><td>it was renewed with another key[^<]+Set back to a snapshot`, page)
	require.Regexp(t, `7, B01, medium</td><td>infusion-pump/p-114</td><td>[^<]+</td><td>nobody</td><td>no</td>`, page)
}

// A report of nothing is one, too.
func TestEmpty(t *testing.T) {
	files := written(t, &compliance.Facts{At: now, Since: now.Add(-day), TrustDomain: "empty.example"}, "")
	require.Contains(t, string(files["report.html"]), "nothing to draw")
	require.Contains(t, string(files["report.html"]), "No rule was ever put to the log.")
	require.NotContains(t, string(files["report.html"]), "NaN")
}

// The OSCAL file is assessment results as the schema of 1.1.3 has them, as far as ours
// repeats it, and has a finding for each check that came to a conclusion.
func TestOSCAL(t *testing.T) {
	text := written(t, hospital(), "")["oscal-assessment-results.json"]
	schema, err := os.Open("testdata/assessment-results.schema.json")
	require.NoError(t, err)
	defer schema.Close()
	doc, err := jsonschema.UnmarshalJSON(schema)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("oscal.json", doc))
	s, err := c.Compile("oscal.json")
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, s.Validate(value))
	broken := bytes.Replace(text, []byte(`"satisfied"`), []byte(`"compliant"`), 1)
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(broken))
	require.NoError(t, err)
	require.Error(t, s.Validate(value), "a schema that lets everything through")

	var file struct {
		Results struct {
			Results []struct {
				Observations, Findings []any
			}
		} `json:"assessment-results"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	run := input(t, hospital(), "").Run
	require.Len(t, file.Results.Results[0].Observations, len(run.Results))
	require.Len(t, file.Results.Results[0].Findings, run.Counts[compliance.Pass]+run.Counts[compliance.Fail]+run.Counts[compliance.Attested])
}

// fewer puts the texts that differ by a control character into one: a report takes its time.
func fewer(texts map[string]string) map[string]string {
	controls := ""
	for name, text := range texts {
		if strings.HasPrefix(name, "C0 ") || strings.HasPrefix(name, "C1 ") {
			controls += text
			delete(texts, name)
		}
	}
	texts["control characters"] = controls
	return texts
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

// JUnit counts what failed as failed, and what nobody tested as skipped.
func TestJUnit(t *testing.T) {
	var all struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Failure *struct{} `xml:"failure"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testsuite>testcase"`
	}
	require.NoError(t, xml.Unmarshal(written(t, hospital(), "")["junit.xml"], &all))
	run := input(t, hospital(), "").Run
	require.Equal(t, len(run.Results), all.Tests)
	require.Equal(t, run.Counts[compliance.Fail], all.Failures)
	require.Equal(t, run.Counts[compliance.NotTested]+run.Counts[compliance.NotApplicable], all.Skipped)
	require.Len(t, all.Cases, all.Tests)
}

// A stranger's words break no format, even those that nobody has cleaned: the page shows
// them as text, JSON and XML hold them, and no character acts on who reads the files.
func TestHostile(t *testing.T) {
	for name, raw := range fewer(plaintest.Hostile()) {
		raw += `<script>alert(1)</script>" onload="x`
		var valid string
		require.NoError(t, json.Unmarshal(must(json.Marshal(raw)), &valid))
		text := plain.Clean(valid, 4096)
		f := hospital()
		f.TrustDomain = raw
		f.Identities.Suspect.Add(raw, raw)
		f.Identities.Ownerless.Add(raw, raw)
		f.Access.Edges[0] = compliance.Edge{Role: raw, Machines: 1, Guard: raw, Route: raw, Protocol: raw, Allowed: 1 << 40}
		f.Access.Logoffs[raw], f.Certificates.Keys[raw] = 1, 1
		f.Attested["308-07"] = compliance.Attestation{Word: raw, By: raw, At: now, Expires: now.Add(day)}
		f.Policy.Rules[0].Name, f.Policy.Rules[0].Peers, f.Policy.Rules[0].Wide = raw, []string{raw}, []string{raw}
		files := written(t, f, "")
		for file, text := range files {
			require.True(t, utf8.Valid(text), "%s in %s", name, file)
			for line := range bytes.Lines(text) {
				at := bytes.IndexFunc(bytes.TrimSuffix(line, []byte("\n")), func(r rune) bool { return !unicode.IsPrint(r) })
				require.Negative(t, at, "%s in %s: %q", name, file, line)
			}
		}
		doc, err := html.Parse(bytes.NewReader(files["report.html"]))
		require.NoError(t, err)
		found := false
		for n := range doc.Descendants() {
			require.False(t, n.Type == html.ElementNode && n.Data == "script", name)
			for _, a := range n.Attr {
				require.False(t, strings.HasPrefix(a.Key, "on"), "%s: %s", name, a.Key)
			}
			found = found || n.Type == html.TextNode && n.Data == text
		}
		require.True(t, found, "%s: %q is not shown", name, text)
		var any any
		require.NoError(t, json.Unmarshal(files["results.json"], &any), name)
		require.NoError(t, json.Unmarshal(files["oscal-assessment-results.json"], &any), name)
		var suites struct {
			XMLName xml.Name `xml:"testsuites"`
		}
		require.NoError(t, xml.Unmarshal(files["junit.xml"], &suites), name)
	}
}
