package allow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A FHIRRule names requests of FHIR's REST API (HL7 FHIR R4, Section 3.1.0). It decides
// by the request line alone:
//
//   - What a body holds is not seen. A batch or transaction may do anything at all, and
//     so no rule that names types covers it. A create or an update covers whatever
//     patient its body names.
//   - What a resource refers to is not seen. A rule with compartments therefore does not
//     cover /Observation/7, whosesoever it is.
//   - What a search filters by is seen where it is a parameter of the compartment's
//     definition with one resource as its value: /Observation?patient=1 and
//     /Observation?subject=Patient/1 are of a patient's compartment, but neither
//     /Observation?patient=1,2 nor /Observation?patient.name=Smith.
type FHIRRule struct {
	// Interactions are of [Interactions]; "search" and "history" are those on every
	// level. Operations are named by themselves, "$everything", or on one level,
	// "instance/$everything"; "$*" is every operation.
	Interactions []string

	// Types are resource types. With it, requests to the whole system are not covered.
	Types []string

	// Include are types that an answer may hold beside Types, by _include and alike.
	Include []string

	// Compartments are types of compartments ("Patient", "Encounter", "RelatedPerson",
	// "Practitioner", "Device"). With it, only what is asked of one of such a compartment
	// is covered, whosesoever: /Patient/1/Observation, /Observation?patient=1, and /Patient/1 itself. "*" is one of any
	// type.
	Compartments []string
}

var interactions = [...]string{
	"read", "vread", "create", "update", "patch", "delete", "batch", "capabilities",
	"search", "search-type", "search-system", "history", "history-instance", "history-type", "history-system",
	"conditional-create", "conditional-update", "conditional-patch", "conditional-delete",
}

var (
	levels       = [...]string{"instance", "type", "system"}
	compartments = [...]string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}
)

// operations is every operation.
const operations = "$*"

// Interactions returns the interactions of FHIR's REST API, as rules name them. "batch"
// is a transaction, too: only the body tells them apart.
func Interactions() []string { return slices.Clone(interactions[:]) }

func (f *FHIRRule) check(c *checker) {
	c.list("fhir.interactions", f.Interactions, func(s string) error {
		if s == operations || operation("type/"+s) || interaction(s) {
			return nil
		}
		return fmt.Errorf("unknown interaction %q; there are %s, and operations such as $everything", clip(s), strings.Join(interactions[:], ", "))
	})
	c.list("fhir.types", f.Types, checkType)
	c.list("fhir.include", f.Include, checkType)
	if f.Include != nil && f.Types == nil {
		c.fail("fhir.include", -1, errors.New("include says nothing without types: every type is allowed"))
	}
	c.list("fhir.compartments", f.Compartments, func(s string) error {
		if !slices.Contains(compartments[:], s) {
			return fmt.Errorf("unknown compartment %q; there are %s", clip(s), strings.Join(compartments[:], ", "))
		}
		return nil
	})
}

func checkType(s string) error {
	if !within(s, func(c byte) bool { return lower(c) || 'A' <= c && c <= 'Z' }) || lower(s[0]) {
		return fmt.Errorf("%q is not a resource type such as Patient", clip(s))
	}
	return nil
}

func (f *FHIRRule) covers(r *Request) bool {
	if !interaction(r.Interaction) || !some(f.Interactions, func(s string) bool { return doesInteraction(s, r.Interaction) }) {
		return false
	}
	if f.Compartments != nil {
		inside := r.compartment()
		if inside == "" || !listed(f.Compartments, inside) {
			return false
		}
	}
	if f.Types == nil || slices.Contains(f.Types, everything) {
		return true
	}
	for _, t := range r.Also {
		if !listed(f.Types, t) && (f.Include == nil || !listed(f.Include, t)) {
			return false
		}
	}
	return listed(f.Types, r.Type)
}

// compartment returns the type of the compartment that is asked, which a patient is
// the head of; "" outside of any.
func (r *Request) compartment() string {
	if r.Compartment != "" || !slices.Contains(compartments[:], r.Type) {
		return r.Compartment
	}
	switch r.Interaction {
	case "read", "vread", "update", "patch", "delete", "history-instance":
		return r.Type
	}
	if strings.HasPrefix(r.Interaction, "instance/") {
		return r.Type
	}
	return ""
}

// doesInteraction reports whether what a rule names is or holds an interaction.
func doesInteraction(named, did string) bool {
	if named == everything || named == did {
		return true
	}
	if level, name, ok := strings.Cut(did, "/"); ok && level != "" {
		return named == operations || named == name
	}
	return (named == "search" || named == "history") && strings.HasPrefix(did, named)
}

// interaction reports whether s is one of [Interactions], or an operation on a level.
func interaction(s string) bool { return operation(s) || slices.Contains(interactions[:], s) }

func operation(s string) bool {
	level, name, ok := strings.Cut(s, "/$")
	return ok && slices.Contains(levels[:], level) && within(name, nameByte)
}
