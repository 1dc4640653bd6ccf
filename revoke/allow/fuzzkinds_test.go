package allow_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// FuzzFHIR: a rule that is taken covers exactly what a plain reading of it covers.
func FuzzFHIR(f *testing.F) {
	for _, seed := range [][6]string{
		{"search", "Observation", "Patient", "search-type", "Observation", ""},
		{"$everything", "*", "*", "instance/$everything", "Patient", ""},
		{"*", "Patient", "", "batch", "", "Patient"},
		{"$*", "", "Device", "system/$x", "", "Device"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	peer := id(f, "gateway/a")
	f.Fuzz(func(t *testing.T, named, typ, inside, did, asked, compartment string) {
		rule := allow.FHIRRule{Interactions: []string{named}}
		if typ != "" {
			rule.Types = []string{typ}
		}
		if inside != "" {
			rule.Compartments = []string{inside}
		}
		set, err := allow.NewSet(allow.Rule{Name: "one", Peers: []string{gateways}, FHIR: &rule})
		if err != nil {
			return
		}
		_, allowed := set.Decide(peer, &allow.Request{Kind: allow.FHIR, Interaction: did, Type: asked, Compartment: compartment})
		require.Equal(t, coversFHIR(named, typ, inside, did, asked, compartment), allowed)
	})
}

var operation = regexp.MustCompile(`\A(instance|type|system)/(\$[A-Za-z0-9._-]{1,64})\z`)

// coversFHIR is the plain reading.
func coversFHIR(named, typ, inside, did, asked, compartment string) bool {
	op := operation.FindStringSubmatch(did)
	if op == nil && !slices.Contains(allow.Interactions(), did) {
		return false
	}
	names := []string{"*", did}
	if op != nil {
		names = append(names, "$*", op[2])
	} else if group, _, ok := strings.Cut(did, "-"); ok && (group == "search" || group == "history") {
		names = append(names, group)
	}
	heads := []string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}
	ofOne := []string{"read", "vread", "update", "patch", "delete", "history-instance"}
	if compartment == "" && slices.Contains(heads, asked) && (slices.Contains(ofOne, did) || op != nil && op[1] == "instance") {
		compartment = asked
	}
	return slices.Contains(names, named) &&
		(typ == "" || typ == "*" || typ == asked) &&
		(inside == "" || compartment != "" && (inside == "*" || inside == compartment))
}

// FuzzMessages: a pattern of messages that is taken matches what a regular expression of
// the same meaning matches.
func FuzzMessages(f *testing.F) {
	for _, seed := range [][2]string{{"ADT^A01", "ADT^A01"}, {"ORU^*", "ORU^R01"}, {"*", "ACK"}, {"*^*", "A^B"}} {
		f.Add(seed[0], seed[1])
	}
	peer := id(f, "gateway/a")
	f.Fuzz(func(t *testing.T, pattern, message string) {
		set, err := allow.NewSet(allow.Rule{Name: "one", Peers: []string{gateways}, HL7: &allow.HL7Rule{Messages: []string{pattern}}})
		if err != nil {
			return
		}
		_, allowed := set.Decide(peer, &allow.Request{Kind: allow.HL7, Message: message})
		const part = `[A-Z0-9]{1,64}`
		expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, part)
		if pattern == "*" {
			expression = part + `(\^` + part + `)?`
		}
		require.Equal(t, regexp.MustCompile(`\A`+expression+`\z`).MatchString(message), allowed)
	})
}

// FuzzDICOM: so do those of titles and SOP classes, and what is no title and no UID is
// denied.
func FuzzDICOM(f *testing.F) {
	for _, seed := range [][4]string{{"ARCHIVE", "ARCHIVE", "1.2.840.10008.1.1", "1.2.840.10008.1.1"}, {"CT*", "CT1", "1.2.*", "1.2.3.4"}, {"*", "A B", "*", "0"}} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	peer := id(f, "gateway/a")
	f.Fuzz(func(t *testing.T, pattern, title, classes, class string) {
		set, err := allow.NewSet(allow.Rule{Name: "one", Peers: []string{gateways}, DICOM: &allow.DICOMRule{Called: []string{pattern}, SOPClasses: []string{classes}}})
		if err != nil {
			return
		}
		_, allowed := set.Decide(peer, &allow.Request{Kind: allow.DICOM, Called: title, Calling: "X", SOPClass: class, Command: "C-ECHO"})
		glob := func(s string) *regexp.Regexp {
			return regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `.+`) + `\z`)
		}
		isTitle := regexp.MustCompile(`\A[ -\[\]-~]{1,16}\z`).MatchString(title)
		isUID := len(class) <= 64 && regexp.MustCompile(`\A[0-9]+(\.[0-9]+)*\z`).MatchString(class)
		require.Equal(t, isTitle && isUID && glob(pattern).MatchString(title) && glob(classes).MatchString(class), allowed)
	})
}
