package allow

import (
	"slices"
	"strings"
)

// Covers reports whether r lets through all that other does, whatever their names. It
// compares pattern with pattern, and may say no of a rule that in truth lets through
// less; it never says yes of one that lets through more. Both must be rules that
// [NewSet] takes.
func (r Rule) Covers(other Rule) bool {
	if r.Kind() == 0 || r.Kind() != other.Kind() ||
		!holds(r.Listeners, other.Listeners, same) || !holds(r.Peers, other.Peers, holdsPeer) {
		return false
	}
	switch r.Kind() {
	case TCP:
		return true
	case HTTP:
		return holds(r.HTTP.Methods, other.HTTP.Methods, same) && holds(r.HTTP.Routes, other.HTTP.Routes, holdsRoute)
	case FHIR:
		return r.FHIR.holds(other.FHIR)
	case HL7:
		return holds(r.HL7.Messages, other.HL7.Messages, func(wide, narrow string) bool { return match(wide, wild(narrow), "^") })
	case DICOM:
		return holds(r.DICOM.Called, other.DICOM.Called, holdsText) && holds(r.DICOM.Calling, other.DICOM.Calling, holdsText) &&
			holds(r.DICOM.SOPClasses, other.DICOM.SOPClasses, holdsText) && holds(r.DICOM.Commands, other.DICOM.Commands, same)
	}
	return false
}

// Covers reports whether p lets in all that other does, as [Rule.Covers] does.
func (p Peers) Covers(other Peers) bool {
	for _, narrow := range other.patterns {
		if !slices.ContainsFunc(p.patterns, func(wide pattern) bool { return wide.holds(narrow) }) {
			return false
		}
	}
	return true
}

// holds reports whether each item of a list is held by one of another. A list that is
// nil, or has the item "*", names everything.
func holds(wide, narrow []string, one func(wide, narrow string) bool) bool {
	if wide == nil || slices.Contains(wide, everything) {
		return true
	}
	if narrow == nil || slices.Contains(narrow, everything) {
		return false
	}
	for _, n := range narrow {
		if !slices.ContainsFunc(wide, func(w string) bool { return w == n || one(w, n) }) {
			return false
		}
	}
	return true
}

func same(wide, narrow string) bool { return wide == narrow }

func holdsText(wide, narrow string) bool { return match(wide, wild(narrow), "") }

// wild is a pattern as a text to be matched: each * in it becomes a byte that no pattern
// has, so that only a * can stand for it.
func wild(pattern string) string { return strings.ReplaceAll(pattern, "*", "\x01") }

func holdsPeer(wide, narrow string) bool {
	w, err := parsePattern(wide)
	if err != nil {
		return false
	}
	n, err := parsePattern(narrow)
	return err == nil && w.holds(n)
}

func (p pattern) holds(narrow pattern) bool {
	return p.trustDomain == narrow.trustDomain && match(p.role, wild(narrow.role), "/.") &&
		(p.name == "" || narrow.name != "" && match(p.name, wild(narrow.name), "/."))
}

// holdsRoute compares routes: one with / at its end is everything below, and is held by
// such a one alone.
func holdsRoute(wide, narrow string) bool {
	below := func(route string) bool { return strings.HasSuffix(route, "/") }
	if exact, ok := strings.CutSuffix(narrow, only); ok && below(exact) {
		return matchRoute(wide, wild(exact))
	}
	if below(narrow) && !below(wide) {
		return false
	}
	return matchRoute(wide, wild(narrow))
}

func (f *FHIRRule) holds(narrow *FHIRRule) bool {
	if !holds(f.Interactions, narrow.Interactions, holdsInteraction) || !holds(f.Types, narrow.Types, same) {
		return false
	}
	// Without types no others are looked at; without include there are none.
	if f.Types != nil && !slices.Contains(f.Types, everything) && narrow.Include != nil {
		if !holds(append(slices.Clone(f.Types), f.Include...), narrow.Include, same) {
			return false
		}
	}
	// In any compartment is not the same as outside of one, too.
	return f.Compartments == nil || narrow.Compartments != nil && holds(f.Compartments, narrow.Compartments, same)
}

// holdsInteraction compares an interaction or an operation as rules name them.
func holdsInteraction(wide, narrow string) bool {
	if strings.HasPrefix(narrow, "$") { // on every level
		return wide == operations
	}
	return doesInteraction(wide, narrow)
}
