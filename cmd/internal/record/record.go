package record

import "time"

// A Record is one connection, request, message or association. What does not apply is
// zero. Texts are cut to the length named, in bytes, and cleaned: see [Record.Clean].
type Record struct {
	// To the microsecond. End is zero in the record that a long connection or request
	// begins with.
	Begin, End time.Time

	// Since is when the caller's connection began, whose certificate the access rests on:
	// one access may come long after the handshake.
	Since time.Time

	Caller  string // SPIFFE ID of the machine that asked; 512
	Serial  string // of its certificate, in hex; 64
	Address string // host:port that it came from; 128

	Guard  string // SPIFFE ID of the guard that wrote this; 512
	Side   Side
	Route  string // name of the guard's listener; 64
	Target string // what stands behind the route; 256

	Protocol  Protocol
	Kind      Kind
	Operation string // method, message type, DICOM command; of a connection: open or close; 128
	Resource  string // resource type, route pattern or SOP class; never one that names a patient; 512
	Rule      string // that allowed it; 128

	// What else the rules of a protocol ask for: the AE titles of a DICOM association, 64
	// each; of FHIR the type of the compartment, 64, and the other types that an answer
	// may hold, with commas between; 512.
	Called, Calling   string
	Compartment, Also string

	Outcome Outcome
	Reason  string // of all but Allowed, in a few words that a person reads, and of Allowed where something was odd; 256
	Status  int    // of the response: HTTP status, DICOM status; 0: none
	Answer  string // of the response, where that is letters: AA, AE, AR of HL7; 8

	In, Out int64 // bytes of payload to the target, and from it

	// Link names the TLS connection between two guards, the same at both ends, and
	// Number the access on it, so that their records can be paired; 64 each.
	Link   string
	Number string

	// Request and Response are the payloads' digests, and Key what keys them.
	Request, Response Digest
	Key               Secret
}

// Duration returns how long the access took; zero if it has not ended.
func (r Record) Duration() time.Duration {
	if r.End.IsZero() {
		return 0
	}
	return r.End.Sub(r.Begin)
}
