package fhir

import "strings"

// Below returns what of path is below base, without a slash at its begin: "" for the
// base itself, with or without a slash at its end. A base is "/" or "/fhir" or the like.
func Below(base, path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, strings.TrimSuffix(base, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimPrefix(rest, "/"), true
}

// IsSearch reports whether a request is a search by POST, whose parameters are in its
// body.
func IsSearch(method, path string) bool {
	return method == "POST" && (path == "_search" || strings.HasSuffix(path, "/_search"))
}

// Parse says what a request asks for, or returns [ErrUnknown].
func Parse(r Request) (Access, error) {
	p, ok := split(r.Path)
	if !ok {
		return Access{}, ErrUnknown
	}
	q, err := parseQuery(r.Query, r.Form)
	if err != nil {
		return Access{}, err
	}
	a := Access{Type: p.kind, Also: q.also}
	switch r.Method {
	case "GET", "HEAD":
		a.Interaction = p.get()
	case "POST":
		a.Interaction = p.post(r.IfNoneExist)
	case "PUT":
		a.Interaction = p.change("update", q.empty)
	case "PATCH":
		a.Interaction = p.change("patch", q.empty)
	case "DELETE":
		a.Interaction = p.change("delete", q.empty)
	}
	if p.compartment != "" && !strings.HasPrefix(a.Interaction, "search-") { // it is searched, and nothing else
		return Access{}, ErrUnknown
	}
	if a.Interaction == "" {
		return Access{}, ErrUnknown
	}
	if q.includes {
		return a, nil
	}
	a.Compartment = p.compartment
	if a.Interaction == "search-type" && a.Compartment == "" {
		a.Compartment = within(r, a.Type)
		a.ByParameter = a.Compartment != ""
	}
	return a, nil
}

// get is what GET does, and HEAD, which is answered alike (R4, "HEAD").
func (p place) get() string {
	switch {
	case p.operation():
		return p.level() + "/" + p.last
	case p.last == "metadata" || p.last == smart:
		return "capabilities"
	case p.last == "_history" && p.version:
		return "vread"
	case p.last == "_history":
		return "history-" + p.level()
	case p.last != "":
		return ""
	case p.id:
		return "read"
	case p.kind != "":
		return "search-type"
	}
	return "search-system"
}

func (p place) post(ifNoneExist bool) string {
	switch {
	case p.operation():
		return p.level() + "/" + p.last
	case p.last == "_search" && p.kind != "" && !p.id:
		return "search-type"
	case p.last == "_search" && !p.id:
		return "search-system"
	case p.last != "" || p.id:
		return ""
	case p.kind != "" && ifNoneExist:
		return "conditional-create"
	case p.kind != "":
		return "create"
	}
	return "batch"
}

// change is what PUT, PATCH and DELETE do: to the resource that the path names, or to
// those that the query finds. A delete may find them on the whole server.
func (p place) change(verb string, noQuery bool) string {
	switch {
	case p.last != "":
		return ""
	case p.id:
		return verb
	case noQuery || p.kind == "" && verb != "delete":
		return ""
	}
	return "conditional-" + verb
}
