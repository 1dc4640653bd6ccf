package allow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// A FHIR rule covers an interaction with every type that the answer may hold, inside
// its compartments.
func TestFHIR(t *testing.T) {
	rule := func(name string, f allow.FHIRRule) allow.Rule {
		return allow.Rule{Name: name, Peers: []string{gateways}, Listeners: []string{name}, FHIR: &f}
	}
	set := newSet(t,
		rule("typed", allow.FHIRRule{Interactions: []string{"read", "search", "$everything"}, Types: []string{"Patient", "Observation"}}),
		rule("confined", allow.FHIRRule{Interactions: []string{"read", "search", "$*"}, Compartments: []string{"Patient", "Encounter"}}),
		rule("anyones", allow.FHIRRule{Compartments: []string{"*"}}),
		rule("all", allow.FHIRRule{}),
		rule("star", allow.FHIRRule{Interactions: []string{"*"}, Types: []string{"*"}}),
		rule("operations", allow.FHIRRule{Interactions: []string{"$*", "history", "search-type"}}),
		rule("beside", allow.FHIRRule{Types: []string{"Observation"}, Include: []string{"Patient"}}),
		rule("write", allow.FHIRRule{Interactions: []string{"create", "batch", "type/$validate"}, Types: []string{"Observation"}}),
	)
	for _, tt := range []struct {
		rule                    string
		interaction, typ, inner string
		also                    []string
		want                    bool
	}{
		{"typed", "read", "Patient", "", nil, true},
		{"typed", "search-type", "Observation", "Patient", nil, true},
		{"typed", "vread", "Patient", "", nil, false},
		{"typed", "read", "Practitioner", "", nil, false},
		{"typed", "read", "", "", nil, false},
		{"typed", "read", "patient", "", nil, false},
		{"typed", "search-type", "Observation", "", []string{"Patient"}, true},
		{"typed", "search-type", "Observation", "", []string{"Patient", "Practitioner"}, false},
		{"typed", "search-type", "Observation", "", []string{""}, false},
		{"typed", "search-system", "", "", []string{"Patient"}, false},
		{"typed", "search-system", "", "Patient", nil, false},
		{"typed", "instance/$everything", "Patient", "", nil, true},
		{"typed", "type/$everything", "Patient", "", nil, true},
		{"typed", "instance/$everything2", "Patient", "", nil, false},
		{"typed", "type/$validate", "Patient", "", nil, false},
		{"confined", "search-type", "Observation", "Patient", nil, true},
		{"confined", "search-system", "", "Encounter", []string{""}, true},
		{"confined", "read", "Patient", "", nil, true},
		{"confined", "instance/$everything", "Patient", "", nil, true},
		{"confined", "type/$everything", "Patient", "", nil, false},
		{"confined", "search-type", "Patient", "", nil, false},
		{"confined", "read", "Observation", "", nil, false},
		{"confined", "read", "Device", "", nil, false},
		{"confined", "search-type", "Observation", "Device", nil, false},
		{"confined", "update", "Patient", "", nil, false},
		{"confined", "search-type", "Patient", "Encounter", nil, true},
		{"anyones", "read", "Observation", "", nil, false},
		{"anyones", "delete", "Device", "", nil, true},
		{"anyones", "conditional-delete", "Device", "", nil, false},
		{"anyones", "search-type", "Observation", "", nil, false},
		{"all", "batch", "", "", nil, true},
		{"all", "system/$anything", "", "", []string{""}, true},
		{"all", "", "", "", nil, false},
		{"all", "READ", "Patient", "", nil, false},
		{"all", "$everything", "Patient", "", nil, false},
		{"all", "type/$", "Patient", "", nil, false},
		{"all", "ward/$a", "Patient", "", nil, false},
		{"all", "type/$*", "Patient", "", nil, false},
		{"star", "batch", "", "", []string{""}, true},
		{"operations", "system/$export", "", "", nil, true},
		{"operations", "history-system", "", "", nil, true},
		{"operations", "search-type", "Patient", "", nil, true},
		{"operations", "search-system", "", "", nil, false},
		{"operations", "read", "Patient", "", nil, false},
		{"beside", "search-type", "Observation", "", []string{"Patient", "Observation"}, true},
		{"beside", "search-type", "Observation", "", []string{"Practitioner"}, false},
		{"beside", "search-type", "Observation", "", []string{""}, false},
		{"beside", "search-type", "Patient", "", nil, false},
		{"write", "create", "Observation", "", nil, true},
		{"write", "conditional-create", "Observation", "", nil, false},
		{"write", "batch", "", "", nil, false},
		{"write", "type/$validate", "Observation", "", nil, true},
		{"write", "instance/$validate", "Observation", "", nil, false},
	} {
		name, allowed := set.Decide(id(t, "gateway/a"), &allow.Request{Kind: allow.FHIR, Listener: tt.rule,
			Interaction: tt.interaction, Type: tt.typ, Compartment: tt.inner, Also: tt.also})
		require.Equal(t, tt.want, allowed, "%+v", tt)
		require.Equal(t, tt.want, name == tt.rule)
	}
}

// An HL7 rule covers messages by code and trigger event.
func TestHL7(t *testing.T) {
	for pattern, messages := range map[string]map[string]bool{
		"ADT^A01": {"ADT^A01": true, "ADT^A02": false, "ADT": false, "ADT^A011": false, "adt^a01": false, "ADT^A01^ADT_A01": false, "ADT^": false, "": false},
		"ORU^*":   {"ORU^R01": true, "ORU": false, "ORM^O01": false, "ORU^R01^x": false, "ORU^": false, "ORU^R*": false},
		"*^A01":   {"ADT^A01": true, "ADT^A02": false, "^A01": false},
		"ACK":     {"ACK": true, "ACK^A01": false},
		"*":       {"ADT^A01": true, "ACK": true, "": false, "A^B^C": false, "ADT^A01\r": false, "*": false},
	} {
		set := newSet(t, allow.Rule{Name: "one", Peers: []string{gateways}, HL7: &allow.HL7Rule{Messages: []string{"ZZZ^Z01", pattern}}})
		for message, want := range messages {
			_, allowed := set.Decide(id(t, "gateway/a"), &allow.Request{Kind: allow.HL7, Message: message})
			require.Equal(t, want, allowed, "%s for %q", pattern, message)
		}
	}
}

// A DICOM rule covers an association by its titles, a presentation context by its SOP
// class too, and a command by all of it.
func TestDICOM(t *testing.T) {
	set := newSet(t,
		allow.Rule{Name: "store", Peers: []string{gateways}, DICOM: &allow.DICOMRule{Called: []string{"ARCHIVE"}, Calling: []string{"CT*", "MR1"},
			SOPClasses: []string{"1.2.840.10008.5.1.4.1.1.*"}, Commands: []string{"C-STORE"}}},
		allow.Rule{Name: "echo", Peers: []string{gateways}, DICOM: &allow.DICOMRule{SOPClasses: []string{"1.2.840.10008.1.1"}}},
	)
	const ct, verification = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
	for _, tt := range []struct {
		step                       allow.Step
		called, calling, class, do string
		want                       string
	}{
		{allow.Perform, "ARCHIVE", "CT1", ct, "C-STORE", "store"},
		{allow.Perform, "ARCHIVE", "MR1", ct, "C-STORE", "store"},
		{allow.Perform, "ARCHIVE", "MR12", ct, "C-STORE", ""},
		{allow.Perform, "ARCHIVE2", "CT1", ct, "C-STORE", ""},
		{allow.Perform, "ARCHIVE", "CT1", ct, "C-FIND", ""},
		{allow.Perform, "ARCHIVE", "CT1", "1.2.840.10008.5.1.4.1.1.", "C-STORE", ""},
		{allow.Perform, "ARCHIVE", "CT1", "1.2.840.10008.5.1.4.1.2.1.1", "C-STORE", ""},
		{allow.Perform, "ANY", "ONE", verification, "C-ECHO", "echo"},
		{allow.Perform, "ANY", "ONE", verification, "C-ECHO-RSP", ""},
		{allow.Perform, "ANY", "ONE", verification, "", ""},
		{allow.Perform, "ANY", "ONE", "", "C-ECHO", ""},
		{allow.Perform, "", "ONE", verification, "C-ECHO", ""},
		{allow.Perform, "ANY", `A\B`, verification, "C-ECHO", ""},
		{allow.Perform, "ANY", "ABCDEFGHIJKLMNOPQ", verification, "C-ECHO", ""},
		{allow.Propose, "ARCHIVE", "CT1", ct, "", "store"},
		{allow.Propose, "ARCHIVE", "XA1", ct, "", ""},
		{allow.Propose, "ARCHIVE", "CT1", "", "", ""},
		{allow.Propose, "ARCHIVE", "CT1", "1.2..3", "", ""},
		{allow.Associate, "ARCHIVE", "CT1", "", "", "store"},
		{allow.Associate, "ARCHIVE", "XA1", "", "", "echo"},
		{allow.Associate, "", "", "", "", ""},
		{allow.Announce, "", "CT1", "", "", "store"},
		{allow.Announce, "", "", "", "", ""},
		{allow.Announce + 1, "ARCHIVE", "CT1", ct, "C-STORE", ""},
	} {
		rule, _ := set.Decide(id(t, "gateway/a"), &allow.Request{Kind: allow.DICOM, Step: tt.step,
			Called: tt.called, Calling: tt.calling, SOPClass: tt.class, Command: tt.do})
		require.Equal(t, tt.want, rule, "%+v", tt)
	}
	all := newSet(t, allow.Rule{Name: "all", Peers: []string{gateways}, DICOM: new(allow.DICOMRule)})
	for class, want := range map[string]bool{ct: true, "1": true, "": false, "1..2": false, ".1": false, "1.": false, "1.2*": false, "CT": false} {
		_, allowed := all.Decide(id(t, "gateway/a"), &allow.Request{Kind: allow.DICOM, Step: allow.Propose, Called: "A", Calling: "B", SOPClass: class})
		require.Equal(t, want, allowed, "%q is a UID", class)
	}
}
