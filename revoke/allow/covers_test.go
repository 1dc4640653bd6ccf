package allow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

const td = "spiffe://hospital.example/"

// A rule covers another if there is nothing that only the other lets through.
func TestCovers(t *testing.T) {
	http := func(methods, routes []string) allow.Rule {
		return allow.Rule{Peers: []string{td + "device"}, HTTP: &allow.HTTPRule{Methods: methods, Routes: routes}}
	}
	fhir := func(f allow.FHIRRule) allow.Rule { return allow.Rule{Peers: []string{td + "device"}, FHIR: &f} }
	hl7 := func(m ...string) allow.Rule {
		return allow.Rule{Peers: []string{td + "device"}, HL7: &allow.HL7Rule{Messages: m}}
	}
	dicom := func(d allow.DICOMRule) allow.Rule { return allow.Rule{Peers: []string{td + "device"}, DICOM: &d} }
	tcp := func(listeners []string, peers ...string) allow.Rule {
		return allow.Rule{Peers: peers, Listeners: listeners, TCP: true}
	}
	type list = []string
	for _, tt := range []struct {
		name         string
		wide, narrow allow.Rule
		want         bool
	}{
		{"itself", tcp(nil, td+"device"), tcp(nil, td+"device"), true},
		{"a machine of the role", tcp(nil, td+"device"), tcp(nil, td+"device/a.b"), true},
		{"the role of a machine", tcp(nil, td+"device/a"), tcp(nil, td+"device"), false},
		{"a narrower pattern", tcp(nil, td+"device/p-*"), tcp(nil, td+"device/p-7*"), true},
		{"a wider pattern", tcp(nil, td+"device/p-7*"), tcp(nil, td+"device/p-*"), false},
		{"a pattern that only crosses", tcp(nil, td+"device/a*"), tcp(nil, td+"device/*a"), false},
		{"a name in parts", tcp(nil, td+"device/*"), tcp(nil, td+"device/*.*"), false},
		{"another domain", tcp(nil, td+"device"), tcp(nil, "spiffe://other.example/device"), false},
		{"one peer more", tcp(nil, td+"device/a"), tcp(nil, td+"device/a", td+"device/b"), false},
		{"a listener of all", tcp(nil, td+"device"), tcp(list{"a"}, td+"device"), true},
		{"all listeners of one", tcp(list{"a"}, td+"device"), tcp(nil, td+"device"), false},
		{"all listeners, by name", tcp(list{"a"}, td+"device"), tcp(list{"*"}, td+"device"), false},
		{"another kind", tcp(nil, td+"device"), http(list{"GET"}, list{"/a"}), false},

		{"a method of all", http(nil, nil), http(list{"GET"}, list{"/a"}), true},
		{"every method of one", http(list{"GET"}, nil), http(nil, nil), false},
		{"a route below", http(nil, list{"/a/"}), http(nil, list{"/a/b"}), true},
		{"the route itself, below", http(nil, list{"/a/"}), http(nil, list{"/a/{$}"}), true},
		{"all below the route itself", http(nil, list{"/a/{$}"}), http(nil, list{"/a/"}), false},
		{"all below a pattern of one segment", http(nil, list{"/a/*"}), http(nil, list{"/a/"}), false},
		{"all below, of all below", http(nil, list{"/"}), http(nil, list{"/a/*/"}), true},
		{"a pattern by a pattern", http(nil, list{"/ward-*/beds"}), http(nil, list{"/ward-7*/beds"}), true},
		{"a segment more", http(nil, list{"/a/*"}), http(nil, list{"/a/*/c"}), false},

		{"an interaction of all", fhir(allow.FHIRRule{}), fhir(allow.FHIRRule{Interactions: list{"read"}}), true},
		{"a search of search", fhir(allow.FHIRRule{Interactions: list{"search"}}), fhir(allow.FHIRRule{Interactions: list{"search-type"}}), true},
		{"search of a search", fhir(allow.FHIRRule{Interactions: list{"search-type"}}), fhir(allow.FHIRRule{Interactions: list{"search"}}), false},
		{"an operation of all", fhir(allow.FHIRRule{Interactions: list{"$*"}}), fhir(allow.FHIRRule{Interactions: list{"$everything", "type/$x"}}), true},
		{"an operation on one level", fhir(allow.FHIRRule{Interactions: list{"$x"}}), fhir(allow.FHIRRule{Interactions: list{"type/$x"}}), true},
		{"on every level, of one", fhir(allow.FHIRRule{Interactions: list{"type/$x"}}), fhir(allow.FHIRRule{Interactions: list{"$x"}}), false},
		{"no operation of an interaction", fhir(allow.FHIRRule{Interactions: list{"read"}}), fhir(allow.FHIRRule{Interactions: list{"$*"}}), false},
		{"a type more", fhir(allow.FHIRRule{Types: list{"Patient"}}), fhir(allow.FHIRRule{Types: list{"Patient", "Device"}}), false},
		{"every type", fhir(allow.FHIRRule{Types: list{"Patient"}}), fhir(allow.FHIRRule{}), false},
		{"included before as a type", fhir(allow.FHIRRule{Types: list{"Patient", "Device"}}), fhir(allow.FHIRRule{Types: list{"Patient"}, Include: list{"Device"}}), true},
		{"a type that was included", fhir(allow.FHIRRule{Types: list{"Patient"}, Include: list{"Device"}}), fhir(allow.FHIRRule{Types: list{"Device"}}), false},
		{"one more included", fhir(allow.FHIRRule{Types: list{"Patient"}}), fhir(allow.FHIRRule{Types: list{"Patient"}, Include: list{"Device"}}), false},
		{"in a compartment", fhir(allow.FHIRRule{}), fhir(allow.FHIRRule{Compartments: list{"Patient"}}), true},
		{"outside of one", fhir(allow.FHIRRule{Compartments: list{"*"}}), fhir(allow.FHIRRule{}), false},
		{"in another", fhir(allow.FHIRRule{Compartments: list{"Patient"}}), fhir(allow.FHIRRule{Compartments: list{"Device"}}), false},

		{"a message of a code", hl7("ORU^*"), hl7("ORU^R01"), true},
		{"every message of a code", hl7("ORU^R01"), hl7("ORU^*"), false},
		{"every message", hl7("*^*"), hl7("*"), false},

		{"a class of storage", dicom(allow.DICOMRule{SOPClasses: list{"1.2.*"}}), dicom(allow.DICOMRule{SOPClasses: list{"1.2.3.*", "1.2.4"}}), true},
		{"another class", dicom(allow.DICOMRule{SOPClasses: list{"1.2.3"}}), dicom(allow.DICOMRule{SOPClasses: list{"1.2.*"}}), false},
		{"every title", dicom(allow.DICOMRule{Called: list{"ARCHIVE"}}), dicom(allow.DICOMRule{}), false},
		{"a command more", dicom(allow.DICOMRule{Commands: list{"C-ECHO"}}), dicom(allow.DICOMRule{Commands: list{"C-STORE"}}), false},
	} {
		require.Equal(t, tt.want, tt.wide.Covers(tt.narrow), tt.name)
		require.True(t, tt.wide.Covers(tt.wide), tt.name)
		require.True(t, tt.narrow.Covers(tt.narrow), tt.name)
	}
}

// FuzzCovers: what a covered route or peer lets through, the one that covers it does.
func FuzzCovers(f *testing.F) {
	f.Add("/a/*", "/a/b*", "/a/bc")
	f.Add("/", "/a/{$}", "/a/")
	f.Add("/a*b/", "/a**b/", "/axb/c")
	f.Fuzz(func(t *testing.T, wide, narrow, path string) {
		rule := func(route string) allow.Rule {
			return allow.Rule{Name: "one", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Routes: []string{route}}}
		}
		w, err := allow.NewSet(rule(wide))
		if err != nil {
			return
		}
		n, err := allow.NewSet(rule(narrow))
		if err != nil || !rule(wide).Covers(rule(narrow)) {
			return
		}
		_, allowed := n.Decide(id(t, "gateway/a"), get("GET", path))
		_, before := w.Decide(id(t, "gateway/a"), get("GET", path))
		require.True(t, before || !allowed, "%q covers %q, and not %q", wide, narrow, path)
	})
}
