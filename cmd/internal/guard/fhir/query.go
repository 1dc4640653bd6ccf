package fhir

import (
	"net/url"
	"slices"
	"strings"
)

// A query is what the parameters say beside what they look for.
type query struct {
	also     []string
	includes bool // the answer may hold more than what was looked for
	empty    bool // no parameter looks for anything
}

// parseQuery reads the parameters of the query and of the form. Their names are
// compared without case, so that a server which is lax about it sees no more than we do.
func parseQuery(all ...string) (query, error) {
	q := query{empty: true}
	for _, one := range all {
		values, err := url.ParseQuery(one) // refuses ';'
		if err != nil {
			return query{}, ErrUnknown
		}
		for name, list := range values {
			q.empty = q.empty && result(name)
			for _, value := range list {
				if !q.include(name, value) {
					return query{}, ErrUnknown
				}
			}
		}
	}
	slices.Sort(q.also)
	q.also = slices.Compact(q.also)
	if len(q.also) > MaxAlso {
		return query{}, ErrUnknown
	}
	return q, nil
}

// result reports whether a parameter says how to answer, and not what to find.
func result(name string) bool {
	switch strings.ToLower(name) {
	case "_format", "_pretty", "_summary", "_elements", "_count":
		return true
	}
	return false
}

// include takes up a parameter that reaches for another type. _include=A:reference:B may
// say which in its third part, _revinclude=A:reference says it in the first, _has:A:...
// in its name. It reports whether the parameter is well formed.
func (q *query) include(name, value string) bool {
	name, modifier, _ := strings.Cut(name, ":")
	switch strings.ToLower(name) {
	case "_include":
		q.includes = true
		parts := strings.Split(value, ":")
		if len(parts) < 3 || parts[2] == "" || parts[2] == "*" {
			return q.add("")
		}
		return len(parts) == 3 && q.add(parts[2])
	case "_revinclude":
		q.includes = true
		source, _, _ := strings.Cut(value, ":")
		if source == "*" {
			return q.add("")
		}
		return source != "" && q.add(source)
	case "_query", "_contained", "_graph", "_cascade", "_expunge": // what they return or remove, the server knows
		q.includes = true
		return q.add("")
	case "_has":
		source, _, _ := strings.Cut(modifier, ":")
		return source != "" && q.add(source)
	}
	return true
}

func (q *query) add(kind string) bool {
	if kind != "" && !isType(kind) {
		return false
	}
	q.also = append(q.also, kind)
	return true
}
