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
	finds    bool // there is a parameter that looks for something
	patient  bool // it looks for one patient's only
}

// parseQuery reads the parameters of the query and of the form, which ask for a type.
// The names of those that widen the answer are compared without case, so that a server
// which is lax about it sees no more than we do.
func parseQuery(kind string, all ...string) (query, error) {
	var q query
	for _, one := range all {
		values, err := url.ParseQuery(one) // refuses ';'
		if err != nil {
			return query{}, ErrUnknown
		}
		for name, list := range values {
			q.finds = q.finds || !isResult(name)
			for _, value := range list {
				if !q.take(name, value) {
					return query{}, ErrUnknown
				}
				q.patient = q.patient || isPatient(kind, name, value)
			}
		}
	}
	slices.Sort(q.also)
	if q.also = slices.Compact(q.also); len(q.also) > MaxAlso {
		return query{}, ErrUnknown
	}
	return q, nil
}

// isResult reports whether a parameter says how to answer, and not what to find.
func isResult(name string) bool {
	switch strings.ToLower(name) {
	case "_format", "_pretty", "_summary", "_elements", "_count":
		return true
	}
	return false
}

// take takes up a parameter that reaches for another type. _include=A:reference:B may
// say which in its third part, _revinclude=A:reference says it in the first, _has:A:...
// and the chain subject:A.name in their names. It reports whether the parameter is well
// formed.
func (q *query) take(name, value string) bool {
	first, modifier, _ := strings.Cut(name, ":")
	switch strings.ToLower(first) {
	case "_include":
		q.includes = true
		if parts := strings.Split(value, ":"); len(parts) > 2 {
			return len(parts) == 3 && q.add(parts[2])
		}
		return q.add("*")
	case "_revinclude":
		q.includes = true
		source, _, _ := strings.Cut(value, ":")
		return q.add(source)
	case "_has":
		source, _, _ := strings.Cut(modifier, ":")
		return q.add(source)
	case "_type":
		for kind := range strings.SplitSeq(value, ",") {
			if !q.add(kind) {
				return false
			}
		}
	case "_query", "_contained", "_containedtype", "_graph":
		q.includes = true // what it returns, the server knows
		return q.add("*")
	default:
		if chained, _, chain := strings.Cut(modifier, "."); chain {
			return q.add(chained)
		}
		if strings.Contains(first, ".") {
			return q.add("*")
		}
	}
	return true
}

func (q *query) add(kind string) bool {
	q.also = append(q.also, kind)
	return kind == "*" || isType(kind)
}

// isPatient reports whether a parameter confines a search to one patient. A server may
// ignore a parameter that it does not know (R4, "Handling Errors"), so only those types
// count that have it.
func isPatient(kind, name, value string) bool {
	switch name {
	case "patient", "patient:Patient":
		return slices.Contains(withPatient, kind) && isID(strings.TrimPrefix(value, "Patient/"))
	case "subject:Patient":
		return slices.Contains(withSubject, kind) && isID(strings.TrimPrefix(value, "Patient/"))
	case "subject":
		id, ok := strings.CutPrefix(value, "Patient/")
		return ok && slices.Contains(withSubject, kind) && isID(id)
	}
	return false
}
