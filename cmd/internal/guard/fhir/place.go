package fhir

import "strings"

// smart is where a server tells how to sign in (SMART App Launch, "Conformance").
const smart = ".well-known/smart-configuration"

// A place is a path taken apart.
type place struct {
	compartment string // type of the compartment that is searched
	kind        string // resource type; "": the system, or all of the compartment
	id          bool   // an instance is named
	version     bool   // after _history
	last        string // what begins with _ or $, or has a name of its own; "": nothing of the kind
}

func (p place) operation() bool { return strings.HasPrefix(p.last, "$") }

// level is where an operation or a history is asked for.
func (p place) level() string {
	switch {
	case p.id:
		return "instance"
	case p.kind != "":
		return "type"
	}
	return "system"
}

// split reads the path below the base: at most Type/id/Type/_search, or
// Type/id/_history/vid/$operation.
func split(path string) (place, bool) {
	if path == "metadata" || path == smart {
		return place{last: path}, true
	}
	var s []string
	if path != "" {
		s = strings.Split(path, "/")
	}
	var p place
	if len(s) > 0 && isType(s[0]) {
		p.kind, s = s[0], s[1:]
		if len(s) > 0 && isID(s[0]) {
			p.id, s = true, s[1:]
			s = p.within(s)
		}
	}
	if len(s) > 0 && isLast(s[0]) {
		p.last, s = s[0], s[1:]
	}
	if p.id && p.last == "_history" && len(s) > 0 && isID(s[0]) {
		p.version, s = true, s[1:]
		if len(s) > 0 && s[0][:min(1, len(s[0]))] == "$" && isLast(s[0]) { // $meta, of one version
			p.last, s = s[0], s[1:]
		}
	}
	return p, len(s) == 0
}

// within reads what follows an instance, where it is a compartment: a type, a * for all
// of them, or the _search of it.
func (p *place) within(s []string) []string {
	switch {
	case len(s) > 0 && isType(s[0]):
		*p = place{compartment: p.kind, kind: s[0]}
		return s[1:]
	case len(s) == 1 && s[0] == "*":
		*p = place{compartment: p.kind}
		return nil
	case len(s) > 0 && s[0] == "_search":
		*p = place{compartment: p.kind}
	}
	return s
}

// isType reports whether s is spelt as resource types are: letters, the first of them a
// capital.
func isType(s string) bool {
	if len(s) == 0 || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if !letter(s[i]) {
			return false
		}
	}
	return true
}

// isID reports whether s is an id (R4, "Data Types", id).
func isID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && c != '-' && c != '.' {
			return false
		}
	}
	return s != "." && s != ".."
}

// isLast reports whether s is _history, _search, or the name of an operation.
func isLast(s string) bool {
	name, operation := strings.CutPrefix(s, "$")
	if !operation {
		return s == "_history" || s == "_search"
	}
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !letter(c) && !digit(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }
