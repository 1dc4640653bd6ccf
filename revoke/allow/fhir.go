package allow

import (
	"fmt"
	"slices"
	"strings"
)

// A FHIRRule names requests of FHIR's REST API (HL7 FHIR R4, Section 3.1.0). It decides
// by the request line alone:
//
//   - What a body holds is not seen. A batch or transaction may do anything at all, and
//     so only a rule that does not name types covers it. A create or update covers
//     whatever patient its body names.
//   - What a resource refers to is not seen. A rule with compartments therefore does not
//     cover /Observation/7, whosesoever it is.
type FHIRRule struct {
	// Interactions are of [Interactions], or operations by name: "$everything"; "$*" is
	// every operation.
	Interactions []string

	// Types are resource types. With it, requests to the whole system are not covered.
	Types []string

	// Compartments are types of compartments ("Patient", "Encounter", "RelatedPerson",
	// "Practitioner", "Device"). With it, only requests that are confined to one of such
	// a compartment are covered, of whichever patient; "*" is of any type.
	Compartments []string
}

var interactions = [...]string{"read", "vread", "search", "history", "create", "update", "patch", "delete", "capabilities", "batch", "transaction"}

// Interactions returns the interactions of FHIR's REST API, as rules name them. A
// history and a search are each one interaction on every level.
func Interactions() []string { return slices.Clone(interactions[:]) }

const operations = "$*"

func (f *FHIRRule) check(c *checker) {
	c.list("fhir.interactions", f.Interactions, func(s string) error {
		if s == operations || interaction(s) {
			return nil
		}
		return fmt.Errorf("unknown interaction %q; there are %s, and operations such as $everything", clip(s), strings.Join(interactions[:], ", "))
	})
	c.list("fhir.types", f.Types, func(s string) error {
		if !within(s, func(c byte) bool { return lower(c) || 'A' <= c && c <= 'Z' }) || lower(s[0]) {
			return fmt.Errorf("%q is not a resource type such as Patient", clip(s))
		}
		return nil
	})
	c.list("fhir.compartments", f.Compartments, func(s string) error {
		if !slices.Contains(compartments[:], s) {
			return fmt.Errorf("unknown compartment %q; there are %s", clip(s), strings.Join(compartments[:], ", "))
		}
		return nil
	})
}

// interaction reports whether s is one, or an operation by name.
func interaction(s string) bool {
	name, operation := strings.CutPrefix(s, "$")
	return operation && within(name, nameByte) || slices.Contains(interactions[:], s)
}

var compartments = [...]string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}

func (f *FHIRRule) covers(r *Request) bool {
	if f.Compartments != nil && (r.Compartment == "" || !listed(f.Compartments, r.Compartment)) {
		return false
	}
	if !interaction(r.Interaction) || !some(f.Interactions, func(s string) bool {
		return s == everything || s == r.Interaction || s == operations && strings.HasPrefix(r.Interaction, "$")
	}) {
		return false
	}
	if f.Types == nil || slices.Contains(f.Types, everything) {
		return true
	}
	if r.Type == "" || !listed(f.Types, r.Type) {
		return false
	}
	for _, t := range r.Also {
		if !listed(f.Types, t) {
			return false
		}
	}
	return true
}
