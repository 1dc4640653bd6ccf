package fhir

import (
	_ "embed"
	"net/url"
	"strings"
	"sync"
)

//go:embed compartments.txt
var compartmentsText string

// A member is a resource type in a compartment.
type member struct{ compartment, kind string }

// members are the search parameters that tie a type to a compartment's head.
var members = sync.OnceValue(func() map[member][]string {
	all := map[member][]string{}
	for line := range strings.Lines(compartmentsText) {
		if words := strings.Fields(line); len(words) > 2 && words[0] != "#" {
			all[member{words[0], words[1]}] = words[2:]
		}
	}
	return all
})

// heads are the types of compartments, in the order in which they are tried.
var heads = [...]string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}

// within returns the compartment to which a search of a type keeps by its parameters:
// what it finds is tied to one head, which they name, by a parameter of the compartment's
// definition. "" where none does so beyond doubt: in one word, "Patient/7", or "7" where
// the parameter, or its modifier, leaves no other type; once, and nowhere a second time
// under another spelling, modifier or chain; and of a search by POST in the form alone.
// A server that does not know the parameter may leave it out of account: see
// [Access.ByParameter].
func within(r Request, kind string) string {
	text := r.Query
	if r.Method == "POST" {
		if r.Query != "" { // which of the two counts, servers see differently
			return ""
		}
		text = r.Form
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return ""
	}
	for _, head := range heads {
		if head == kind && tied(values, "_id", head, false) {
			return head
		}
		for _, parameter := range members()[member{head, kind}] {
			if tied(values, parameter, head, parameter == "patient" && kind != groups) {
				return head
			}
		}
	}
	return ""
}

// groups is the type of which R4 lets "patient" lead to groups, too: it is all of
// DeviceUseStatement.subject. Everywhere else it leads to patients alone.
const groups = "DeviceUseStatement"

// tied reports whether a parameter names one resource of the head's type; alone is whether
// it leads to no other type, so that an id is enough.
func tied(values url.Values, parameter, head string, alone bool) bool {
	found, modifier, value := 0, "", ""
	for name, list := range values {
		base := name
		if i := strings.IndexAny(name, ":."); i >= 0 {
			base = name[:i]
		}
		if !strings.EqualFold(strings.TrimSpace(base), parameter) {
			continue
		}
		if found += len(list); found > 1 || !strings.HasPrefix(name, parameter) {
			return false
		}
		modifier, value = name[len(parameter):], list[0]
	}
	if found == 0 {
		return false
	}
	id, typed := strings.CutPrefix(value, head+"/")
	switch {
	case parameter == "_id":
		return modifier == "" && isID(value)
	case modifier == ":"+head:
		return !typed && isID(value)
	case modifier != "":
		return false
	}
	return isID(id) && (typed || alone)
}
