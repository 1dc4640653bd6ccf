package atna_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit/atna"
)

// judgeXML holds documents against the structure of PS3.15, Section A.5, with libxml2, and
// returns those that it refuses.
func judgeXML(t *testing.T, documents map[string][]byte) (refused []string) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err)
		}
		t.Skip("left out: xmllint is not installed (package libxml2-utils)")
	}
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--relaxng", "testdata/AuditMessage.rng"}
	for name, b := range documents {
		file := filepath.Join(dir, name+".xml")
		require.NoError(t, os.WriteFile(file, b, 0o600))
		args = append(args, file)
	}
	out, err := exec.Command(xmllint, args...).CombinedOutput()
	t.Logf("%s", out)
	passed := 0
	for name := range documents {
		if bytes.Contains(out, []byte("/"+name+".xml validates\n")) {
			passed++
		} else {
			refused = append(refused, name)
		}
	}
	require.Equal(t, passed == len(documents), err == nil, "%v", err)
	return refused
}

// What leaves as DICOM has the structure that PS3.15 wants, and the structure's judge does
// judge.
func TestDICOMStructure(t *testing.T) {
	good := make(map[string][]byte)
	for _, s := range samples {
		good[strings.ReplaceAll(s.name, " ", "-")] = atna.New(s.entry, s.from).XML()
	}
	require.Empty(t, judgeXML(t, good))

	bad := make(map[string][]byte)
	whole := string(good["issued"])
	for name, change := range map[string][2]string{
		"no-text":      {` originalText="Security Alert"`, ``},
		"old-code":     {`csd-code="110113"`, `code="110113"`},
		"no-system":    {` codeSystemName="DCM" originalText="Security Alert"`, ` originalText="Security Alert"`},
		"verb":         {`EventActionCode="E"`, `EventActionCode="X"`},
		"time":         {`EventDateTime="2026-11-21T21:52:02.200Z"`, `EventDateTime="yesterday"`},
		"outcome":      {`EventOutcomeIndicator="0"`, `EventOutcomeIndicator="1"`},
		"no-name":      {`<ParticipantObjectName>device/pump-7</ParticipantObjectName>`, ``},
		"no-user":      {` UserID="spiffe://hospital.example/ca"`, ``},
		"not-base64":   {`value="Q2Vy`, `value="%%%%`},
		"stage":        {`ParticipantObjectDataLifeCycle="1"`, `ParticipantObjectDataLifeCycle="16"`},
		"no-source":    {`AuditSourceIdentification`, `AuditSource`},
		"second-event": {`</EventIdentification>`, `</EventIdentification><EventIdentification/>`},
	} {
		bad[name] = []byte(strings.ReplaceAll(whole, change[0], change[1]))
		require.NotEqual(t, whole, string(bad[name]), name)
	}
	require.Len(t, judgeXML(t, bad), len(bad))
}

// fhirSchema is HL7's, of AuditEvent alone.
func fhirSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("testdata/AuditEvent.schema.json")
	require.NoError(t, err)
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("AuditEvent", doc))
	schema, err := c.Compile("AuditEvent")
	require.NoError(t, err)
	return schema
}

func judgeFHIR(t testing.TB, schema *jsonschema.Schema, b []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	require.NoError(t, err)
	return schema.Validate(doc)
}

// What leaves as FHIR is an AuditEvent by HL7's own schema, which refuses what is none.
func TestFHIRSchema(t *testing.T) {
	schema := fhirSchema(t)
	for _, s := range samples {
		b := atna.New(s.entry, s.from).FHIR()
		require.NoError(t, judgeFHIR(t, schema, b), "%s: %s", s.name, b)
		fhirRules(t, b)
	}
	whole := string(atna.New(samples[0].entry, samples[0].from).FHIR())
	for name, change := range map[string][2]string{
		"no type":        {`"type":{"system":"http://dicom`, `"kind":{"system":"http://dicom`},
		"no agent":       {`"agent":[`, `"agents":[`},
		"no source":      {`"source":{`, `"sources":{`},
		"outcome":        {`"outcome":"0"`, `"outcome":"1"`},
		"number":         {`"outcome":"0"`, `"outcome":0`},
		"verb":           {`"action":"E"`, `"action":"X"`},
		"time":           {`"recorded":"2026-11-21T21:52:02.200Z"`, `"recorded":"2026-11-21"`},
		"network":        {`"type":"2"`, `"type":"9"`},
		"empty text":     {`"valueString":"device"`, `"valueString":""`},
		"unknown":        {`"action":"E"`, `"verb":"E"`},
		"id":             {`"id":"`, `"id":"a b`},
		"no who":         {`"requestor":true`, `"requestor":"yes"`},
		"other resource": {`"resourceType":"AuditEvent"`, `"resourceType":"Patient"`},
	} {
		b := strings.ReplaceAll(whole, change[0], change[1])
		require.NotEqual(t, whole, b, name)
		require.Error(t, judgeFHIR(t, schema, []byte(b)), name)
	}
}

// fhirRules are what R4 demands of an AuditEvent and a JSON schema does not say: the
// elements that there must be, one value for each detail, and never a name and a query
// (sev-1).
func fhirRules(t testing.TB, b []byte) {
	t.Helper()
	var e struct {
		Recorded, Outcome string
		Agent             []struct {
			Requestor *bool
			Who       struct{ Identifier struct{ Value string } }
		}
		Source struct {
			Observer struct{ Identifier struct{ Value string } }
		}
		Entity []struct {
			Name, Query string
			Detail      []struct{ Type, ValueString string }
		}
	}
	require.NoError(t, json.Unmarshal(b, &e))
	require.NotEmpty(t, e.Recorded)
	require.NotEmpty(t, e.Outcome)
	require.NotEmpty(t, e.Agent)
	requestors := 0
	for _, a := range e.Agent {
		require.NotNil(t, a.Requestor)
		require.NotEmpty(t, a.Who.Identifier.Value)
		if *a.Requestor {
			requestors++
		}
	}
	require.Equal(t, 1, requestors)
	require.NotEmpty(t, e.Source.Observer.Identifier.Value)
	require.NotEmpty(t, e.Entity)
	for _, n := range e.Entity {
		require.False(t, n.Name != "" && n.Query != "")
		for _, d := range n.Detail {
			require.NotEmpty(t, d.Type)
			require.NotEmpty(t, d.ValueString)
		}
	}
}

// wellFormed reads XML to its end with encoding/xml, and returns the texts in it.
func wellFormed(t testing.TB, b []byte) (texts []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts
		}
		require.NoError(t, err, "%s", b)
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				texts = append(texts, a.Value)
			}
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.Comment, xml.Directive:
			require.Fail(t, "a comment or a directive", "%s", b)
		}
	}
}
