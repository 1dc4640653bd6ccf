package allow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

func newSet(t testing.TB, rules ...allow.Rule) allow.Set {
	set, err := allow.NewSet(rules...)
	require.NoError(t, err)
	return set
}

// Without rules nothing is allowed, and nobody is anybody.
func TestSetDefaultDeny(t *testing.T) {
	for _, set := range []allow.Set{{}, newSet(t)} {
		for kind := range allow.Kind(8) {
			_, allowed := set.Decide(id(t, "admin/a"), &allow.Request{Kind: kind})
			require.False(t, allowed)
		}
		require.False(t, set.Admits(id(t, "admin/a"), ""))
	}
}

// everyKind has a rule of each kind that names no more than the kind.
func everyKind() []allow.Rule {
	peers := []string{gateways}
	return []allow.Rule{
		{Name: "t", Peers: peers, TCP: true},
		{Name: "h", Peers: peers, HTTP: new(allow.HTTPRule)},
		{Name: "f", Peers: peers, FHIR: new(allow.FHIRRule)},
		{Name: "m", Peers: peers, HL7: new(allow.HL7Rule)},
		{Name: "d", Peers: peers, DICOM: new(allow.DICOMRule)},
	}
}

// requests are one of each kind that [everyKind] allows, in its order.
func requests() []*allow.Request {
	return []*allow.Request{
		{Kind: allow.TCP},
		{Kind: allow.HTTP, Method: "GET", Path: "/"},
		{Kind: allow.FHIR, Interaction: "read", Type: "Patient"},
		{Kind: allow.HL7, Message: "ADT^A01"},
		{Kind: allow.DICOM, Called: "ARCHIVE", Calling: "CT1", SOPClass: "1.2.840.10008.1.1", Command: "C-ECHO"},
	}
}

// A rule covers its own kind and no other, and nothing is of no kind.
func TestSetKinds(t *testing.T) {
	rules := everyKind()
	for i, rule := range rules {
		set := newSet(t, rule)
		for j, r := range requests() {
			name, allowed := set.Decide(id(t, "gateway/a"), r)
			require.Equal(t, i == j, allowed, "%s by %s", r.Kind, rule.Kind())
			require.Equal(t, allowed, name == rule.Name)
		}
		_, allowed := set.Decide(id(t, "gateway/a"), &allow.Request{})
		require.False(t, allowed)
		_, allowed = set.Decide(allow.ID{}, requests()[i])
		require.False(t, allowed, "nobody")
	}
	require.Equal(t, rules, newSet(t, rules...).Rules())
}

// A rule holds at its listeners only, and the first rule that says yes is the one.
func TestSetListeners(t *testing.T) {
	set := newSet(t,
		allow.Rule{Name: "db", Peers: []string{gateways}, Listeners: []string{"pg", "mqtt"}, TCP: true},
		allow.Rule{Name: "all", Peers: []string{pumps}, TCP: true},
		allow.Rule{Name: "again", Peers: []string{pumps, gateways}, Listeners: []string{"mqtt"}, TCP: true},
	)
	for _, tt := range []struct{ peer, listener, rule string }{
		{"gateway/a", "pg", "db"}, {"gateway/a", "mqtt", "db"}, {"gateway/a", "web", ""}, {"gateway/a", "", ""},
		{"device/pump-1", "pg", "all"}, {"device/pump-1", "mqtt", "all"}, {"device/fridge", "pg", ""},
	} {
		name, allowed := set.Decide(id(t, tt.peer), &allow.Request{Kind: allow.TCP, Listener: tt.listener})
		require.Equal(t, tt.rule, name, "%+v", tt)
		require.Equal(t, tt.rule != "", allowed)
		require.Equal(t, allowed, set.Admits(id(t, tt.peer), tt.listener))
	}
}

// A set is what it was made of, whatever is done to that afterwards.
func TestSetIsImmutable(t *testing.T) {
	rule := allow.Rule{Name: "one", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Methods: []string{"GET"}}}
	set := newSet(t, rule)
	rule.HTTP.Methods[0] = "DELETE"
	set.Rules()[0].HTTP.Methods[0] = "DELETE"
	_, allowed := set.Decide(id(t, "gateway/a"), get("DELETE", "/"))
	require.False(t, allowed)
}

// A rule that would mean something else than its author thinks is refused, with its
// place.
func TestNewSetRefuses(t *testing.T) {
	peers := []string{gateways}
	web := func(h allow.HTTPRule) allow.Rule { return allow.Rule{Name: "x", Peers: peers, HTTP: &h} }
	fhir := func(f allow.FHIRRule) allow.Rule { return allow.Rule{Name: "x", Peers: peers, FHIR: &f} }
	hl7 := func(messages ...string) allow.Rule {
		return allow.Rule{Name: "x", Peers: peers, HL7: &allow.HL7Rule{Messages: messages}}
	}
	dicom := func(d allow.DICOMRule) allow.Rule { return allow.Rule{Name: "x", Peers: peers, DICOM: &d} }
	many := make([]string, 257)
	for i := range many {
		many[i] = fmt.Sprintf("/%d", i)
	}
	for name, tt := range map[string]struct {
		rule allow.Rule
		key  string
		item int
	}{
		"no name":            {allow.Rule{Peers: peers, TCP: true}, "name", -1},
		"name with a space":  {allow.Rule{Name: "a b", Peers: peers, TCP: true}, "name", -1},
		"long name":          {allow.Rule{Name: strings.Repeat("a", 65), Peers: peers, TCP: true}, "name", -1},
		"name twice":         {allow.Rule{Name: "first", Peers: peers, TCP: true}, "name", -1},
		"no peers":           {allow.Rule{Name: "x", TCP: true}, "peers", -1},
		"bad peer":           {allow.Rule{Name: "x", Peers: []string{gateways, "gateway"}, TCP: true}, "peers", 1},
		"everybody":          {allow.Rule{Name: "x", Peers: []string{"*"}, TCP: true}, "peers", 0},
		"no listener":        {allow.Rule{Name: "x", Peers: peers, Listeners: []string{}, TCP: true}, "listener", -1},
		"bad listener":       {allow.Rule{Name: "x", Peers: peers, Listeners: []string{"web", "a b"}, TCP: true}, "listener", 1},
		"no kind":            {allow.Rule{Name: "x", Peers: peers}, "", -1},
		"two kinds":          {allow.Rule{Name: "x", Peers: peers, TCP: true, HL7: new(allow.HL7Rule)}, "", -1},
		"empty methods":      {web(allow.HTTPRule{Methods: []string{}}), "http.methods", -1},
		"empty method":       {web(allow.HTTPRule{Methods: []string{""}}), "http.methods", 0},
		"lower-case method":  {web(allow.HTTPRule{Methods: []string{"GET", "get"}}), "http.methods", 1},
		"empty routes":       {web(allow.HTTPRule{Routes: []string{}}), "http.routes", -1},
		"empty route":        {web(allow.HTTPRule{Routes: []string{""}}), "http.routes", 0},
		"route without /":    {web(allow.HTTPRule{Routes: []string{"fhir"}}), "http.routes", 0},
		"route with //":      {web(allow.HTTPRule{Routes: []string{"/fhir//"}}), "http.routes", 0},
		"route with ..":      {web(allow.HTTPRule{Routes: []string{"/fhir/../x"}}), "http.routes", 0},
		"route with **":      {web(allow.HTTPRule{Routes: []string{"/fhir/**"}}), "http.routes", 0},
		"route with escapes": {web(allow.HTTPRule{Routes: []string{"/fhir/%2a"}}), "http.routes", 0},
		"route with ;":       {web(allow.HTTPRule{Routes: []string{"/fhir;x"}}), "http.routes", 0},
		"long route":         {web(allow.HTTPRule{Routes: []string{"/" + strings.Repeat("a", 512)}}), "http.routes", 0},
		"many routes":        {web(allow.HTTPRule{Routes: many}), "http.routes", -1},
		"interaction":        {fhir(allow.FHIRRule{Interactions: []string{"read", "Read"}}), "fhir.interactions", 1},
		"nameless operation": {fhir(allow.FHIRRule{Interactions: []string{"$"}}), "fhir.interactions", 0},
		"unknown level":      {fhir(allow.FHIRRule{Interactions: []string{"instance/$a", "ward/$a"}}), "fhir.interactions", 1},
		"no interactions":    {fhir(allow.FHIRRule{Interactions: []string{}}), "fhir.interactions", -1},
		"resource type":      {fhir(allow.FHIRRule{Types: []string{"patient"}}), "fhir.types", 0},
		"resource id":        {fhir(allow.FHIRRule{Types: []string{"Patient/1"}}), "fhir.types", 0},
		"include for all":    {fhir(allow.FHIRRule{Include: []string{"Patient"}}), "fhir.include", -1},
		"compartment":        {fhir(allow.FHIRRule{Compartments: []string{"Patient", "Observation"}}), "fhir.compartments", 1},
		"message":            {hl7("ADT^A01", "ADT*"), "hl7.messages", 1},
		"structure":          {hl7("ADT^A01^ADT_A01"), "hl7.messages", 0},
		"trigger missing":    {hl7("ADT^"), "hl7.messages", 0},
		"no messages":        {hl7([]string{}...), "hl7.messages", -1},
		"empty title":        {dicom(allow.DICOMRule{Called: []string{""}}), "dicom.called", 0},
		"long title":         {dicom(allow.DICOMRule{Calling: []string{"ABCDEFGHIJKLMNOPQ"}}), "dicom.calling", 0},
		"padded title":       {dicom(allow.DICOMRule{Calling: []string{"CT "}}), "dicom.calling", 0},
		"title with \\":      {dicom(allow.DICOMRule{Called: []string{`A\B`}}), "dicom.called", 0},
		"name for a UID":     {dicom(allow.DICOMRule{SOPClasses: []string{"CTImageStorage"}}), "dicom.sop_classes", 0},
		"UID cut off":        {dicom(allow.DICOMRule{SOPClasses: []string{"1.2."}}), "dicom.sop_classes", 0},
		"UID in the middle":  {dicom(allow.DICOMRule{SOPClasses: []string{"1.2*"}}), "dicom.sop_classes", 0},
		"command":            {dicom(allow.DICOMRule{Commands: []string{"C-STORE-RSP"}}), "dicom.commands", 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := allow.NewSet(allow.Rule{Name: "first", Peers: peers, TCP: true}, tt.rule)
			e, ok := errors.AsType[*allow.RuleError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, []any{1, tt.rule.Name, tt.key, tt.item}, []any{e.Index, e.Name, e.Key, e.Item}, "%v", err)
			require.Less(t, len(err.Error()), 600)
		})
	}
	_, err := allow.NewSet(make([]allow.Rule, 2001)...)
	require.ErrorContains(t, err, "more than 2000")
}

// A decision costs no allocation, whatever it is about and however it ends.
func TestDecideAllocatesNothing(t *testing.T) {
	set := newSet(t, everyKind()...)
	for _, r := range requests() {
		for _, peer := range []allow.ID{id(t, "gateway/a"), id(t, "device/a")} {
			require.Zero(t, testing.AllocsPerRun(10, func() {
				set.Decide(peer, r)
				set.Admits(peer, "web")
			}), "%s", r.Kind)
		}
	}
}

// BenchmarkDecide asks 50 rules, of which the last one says yes.
func BenchmarkDecide(b *testing.B) {
	var rules []allow.Rule
	for i := range 49 {
		rules = append(rules, allow.Rule{Name: fmt.Sprintf("r%d", i), Peers: []string{fmt.Sprintf("spiffe://hospital.example/device/ward-%d-*", i)},
			FHIR: &allow.FHIRRule{Interactions: []string{"read", "search"}, Types: []string{"Observation", "Patient"}}})
	}
	set := newSet(b, append(rules, allow.Rule{Name: "last", Peers: []string{pumps}, FHIR: &allow.FHIRRule{Interactions: []string{"read"}, Types: []string{"Patient"}}})...)
	pump, r := id(b, "device/pump-0042"), &allow.Request{Kind: allow.FHIR, Interaction: "read", Type: "Patient"}
	b.ReportAllocs()
	for b.Loop() {
		if _, allowed := set.Decide(pump, r); !allowed {
			b.Fatal("denied")
		}
	}
}
