package fhir

import "errors"

// ErrUnknown is for a request that is no interaction of the FHIR REST API, or whose
// path or query is malformed.
var ErrUnknown = errors.New("no FHIR interaction")

// A Request is the part of an HTTP request that says what is asked.
type Request struct {
	Method string
	Path   string // decoded, below the server's base: see [Below]
	Query  string // as it came, without the question mark
	Form   string // the body of a search by POST; read as Query is
}

// An Access is what a request asks for, in the words of rules and records. It names no
// resource, only types.
type Access struct {
	// Interaction is read, vread, update, patch, delete, create, history, search,
	// capabilities, or an operation's name with its $. A POST to the base is a batch or
	// a transaction: only the body says which, and it is not read, so it is
	// "batch" here. One that finds by its query, or by If-None-Exist, what it changes
	// (conditional) is called as the one that names it.
	Interaction string

	// Type is the resource type, such as Observation; "" where the whole server, or a
	// whole compartment, is asked.
	Type string

	// Compartment is the type of the compartment that the request is confined to:
	// Patient for Patient/7/Observation, for Patient/7 itself, and for a search of
	// Observation with patient=7. It is "" elsewhere, and where the answer may hold
	// resources from outside (_include).
	Compartment string

	// Also are further types that the answer may hold or tell of, from _include,
	// _revinclude, _has, _type and chained parameters, sorted; "*" stands for what the
	// query does not tell. They are at most [MaxAlso].
	Also []string
}

// MaxAlso is the most further types that one search may name.
const MaxAlso = 32
