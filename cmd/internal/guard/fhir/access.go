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

	// IfNoneExist is whether there is an If-None-Exist header, which makes a create
	// conditional.
	IfNoneExist bool
}

// An Access is what a request asks for. It names no resource, only types.
type Access struct {
	// Interaction is one of
	//
	//	read vread update patch delete create
	//	history-instance history-type history-system
	//	search-type search-system
	//	capabilities
	//	batch                    also a transaction: only the body says which, and it is not read
	//	conditional-create conditional-update conditional-patch conditional-delete
	//	system/$x type/$x instance/$x    the operation $x at that level
	Interaction string

	// Type is the resource type, such as Observation; "" where the whole server, or a
	// whole compartment, is asked.
	Type string

	// Compartment is the type of the compartment that is asked, such as Patient for
	// Patient/7/Observation, or Observation?patient=7; "" outside of any, and where the
	// answer may hold resources from outside (_include).
	Compartment string

	// ByParameter is whether it is a parameter that names the compartment. A server may
	// ignore one that it does not know, and then answers with all there are, unless it is
	// told not to (Prefer: handling=strict; R4, "Search", Section 3.1.1.3.3).
	ByParameter bool

	// Also are the types of which a search wants the resources beside its matches
	// (_include, _revinclude), or asks whether there are any (_has); "" stands for any
	// type, where the query does not say. They are few: at most [MaxAlso]. A search that
	// filters by what a reference leads to ("subject.name") is not in them: it returns
	// nothing of that type.
	Also []string
}

// MaxAlso is the most types that one search may include.
const MaxAlso = 32
