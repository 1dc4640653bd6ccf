package atna_test

import (
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

// A dicomMessage is the part of an audit message that tests look at.
type dicomMessage struct {
	Event struct {
		Verb    string      `xml:"EventActionCode,attr"`
		Outcome string      `xml:"EventOutcomeIndicator,attr"`
		ID      dicomCode   `xml:"EventID"`
		Types   []dicomCode `xml:"EventTypeCode"`
		Why     string      `xml:"EventOutcomeDescription"`
	} `xml:"EventIdentification"`
	People []struct {
		ID        string    `xml:"UserID,attr"`
		Requestor bool      `xml:"UserIsRequestor,attr"`
		Role      dicomCode `xml:"RoleIDCode"`
	} `xml:"ActiveParticipant"`
	Object struct {
		ID      string `xml:"ParticipantObjectID,attr"`
		Name    string `xml:"ParticipantObjectName"`
		Details []struct {
			Type  string `xml:"type,attr"`
			Value []byte `xml:"value,attr"` // in Base64
		} `xml:"ParticipantObjectDetail"`
	} `xml:"ParticipantObjectIdentification"`
}

type dicomCode struct {
	Value string `xml:"csd-code,attr"`
}

type fhirCode struct{ Code string }

// A fhirEvent is the part of an AuditEvent that tests look at.
type fhirEvent struct {
	ID      string
	Meta    struct{ Profile []string }
	Type    fhirCode
	Subtype []fhirCode
	Action  string
	Outcome string
	Agent   []struct {
		Type      struct{ Coding []fhirCode }
		Requestor bool
	}
	Entity []struct {
		What struct{ Identifier struct{ Value string } }
		Type fhirCode
	}
}

// Each kind of entry is told with the codes that healthcare's readers look for, and the
// same ones in both formats.
func TestCodes(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			m := atna.New(s.entry, s.from)
			var d dicomMessage
			require.NoError(t, xml.Unmarshal(m.XML(), &d))
			require.Equal(t, s.event, d.Event.ID.Value)
			require.Equal(t, s.kind, d.Event.Types[0].Value)
			require.Equal(t, s.verb, d.Event.Verb)
			require.Equal(t, s.outcome, d.Event.Outcome)

			var f fhirEvent
			require.NoError(t, json.Unmarshal(m.FHIR(), &f))
			require.Equal(t, s.event, f.Type.Code)
			require.Equal(t, s.verb, f.Action)
			require.Equal(t, s.outcome, f.Outcome)
			require.Equal(t, m.ID(), f.ID)
			if s.profile == "" {
				require.Empty(t, f.Meta.Profile)
			} else {
				require.Equal(t, []string{s.profile}, f.Meta.Profile)
			}

			require.Len(t, f.Subtype, len(d.Event.Types))
			last := len(f.Subtype) - 1
			require.Equal(t, s.entry.Action, f.Subtype[last].Code, "the action is always one of the types")
			roles := make([]string, 0, 2)
			for i, a := range f.Agent {
				roles = append(roles, a.Type.Coding[0].Code)
				require.Equal(t, a.Type.Coding[0].Code, d.People[i].Role.Value)
			}
			want := []string{s.client, s.server}
			if s.client == "" {
				want = want[1:]
			}
			require.Equal(t, want, roles)
			require.True(t, f.Agent[0].Requestor)
		})
	}
}

// Who reads it can tell a repeat: the ID is that of the log, the number and the hash, and of
// nothing else, and in FHIR an identifier to search by. After a restore another entry has the
// number: it is no repeat.
func TestID(t *testing.T) {
	e := samples[0].entry
	id := atna.New(e, authority).ID()
	require.Equal(t, "7e3c729d-a7f2-8cd8-8ed7-25708bc8381b", id, "the ID of an entry is the same for ever")

	other := e
	other.Outcome, other.Action = "no", "certificate.refuse"
	moved := authority
	moved.Address, moved.ID, moved.Site = "other", "other", "other"
	require.Equal(t, id, atna.New(other, moved).ID())

	other = e
	other.Seq++
	require.NotEqual(t, id, atna.New(other, authority).ID())
	other = e
	other.Hash = tlog.RecordHash([]byte("another"))
	require.NotEqual(t, id, atna.New(other, authority).ID())
	elsewhere := authority
	elsewhere.Origin += "2"
	require.NotEqual(t, id, atna.New(e, elsewhere).ID())

	var f fhirEvent
	require.NoError(t, json.Unmarshal(atna.New(e, authority).FHIR(), &f))
	require.Equal(t, "urn:uuid:"+id, f.Entity[len(f.Entity)-1].What.Identifier.Value)
}

// A guard's digests can be compared, but what keys them does not leave the log.
func TestNoKey(t *testing.T) {
	for _, s := range samples {
		m := atna.New(s.entry, s.from)
		for _, b := range [][]byte{m.XML(), m.FHIR(), m.JSON()} {
			require.NotContains(t, string(b), "5ec2e7", s.name)
			require.NotContains(t, string(b), "NWVjMmU3", s.name, "in Base64")
		}
	}
}

// Who is a person to look at: what failed, and what no rule allowed.
func TestAlert(t *testing.T) {
	for _, s := range samples {
		want := s.outcome != "0" || s.name == "FHIR observed"
		require.Equal(t, want, atna.New(s.entry, s.from).Alert(), s.name)
	}
}

// A line of JSON is the entry: its members are those of an entry in our own lists.
func TestJSON(t *testing.T) {
	var got map[string]any
	require.NoError(t, json.Unmarshal(atna.New(samples[0].entry, authority).JSON(), &got))
	require.Equal(t, map[string]any{
		"id": "7e3c729d-a7f2-8cd8-8ed7-25708bc8381b", "log": "hospital.example/log", "seq": 184467.0, "at": "2026-11-21T21:52:02.200Z",
		"source": "spiffe://hospital.example/ca", "site": "hospital.example", "action": "certificate.issue",
		"actor": "device/pump-7", "subject": "device/pump-7", "address": "10.20.7.19", "outcome": "ok", "indicator": 0.0, "request_id": "r-77",
		"detail": map[string]any{"serial": "4f3a00c1d2e391", "role": "device", "names": []any{"pump-7.hospital.example"}, "days": 7.0},
		"hash":   "DSfif3gnzNdFGZ6Os6avNo4QZK9Crp+DdA6YEh4rwCU=",
	}, got)
}

// Nothing need be there for an entry to be told.
func TestEmpty(t *testing.T) {
	schema := fhirSchema(t)
	for _, e := range []audit.Entry{{}, {Event: audit.Event{Action: "access."}}, {Event: audit.Event{Action: "access.request", Actor: " "}}} {
		m := atna.New(e, atna.Source{})
		require.NoError(t, judgeFHIR(t, schema, m.FHIR()))
		fhirRules(t, m.FHIR())
		wellFormed(t, m.XML())
		require.True(t, json.Valid(m.JSON()))
	}
}
