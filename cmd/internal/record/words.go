package record

import "slices"

// A Side says where the guard stands.
type Side string

const (
	Server Side = "server" // before the application
	Client Side = "client" // beside the caller
)

// A Protocol is what is spoken through the guard.
type Protocol string

const (
	TCP   Protocol = "tcp"
	HTTP  Protocol = "http"
	FHIR  Protocol = "fhir"
	MLLP  Protocol = "hl7"
	DICOM Protocol = "dicom"
)

// A Kind is what one record is about.
type Kind string

const (
	Connection  Kind = "connection"
	Request     Kind = "request"
	Message     Kind = "message"
	Association Kind = "association"
)

// An Outcome is how an access ended.
type Outcome string

const (
	Allowed  Outcome = "allowed"
	Refused  Outcome = "refused"  // by a rule, or as malformed
	Observed Outcome = "observed" // let through, though no rule allows it
	Cut      Outcome = "cut"      // ended by the guard: revoked, expired, idle, too old
	Failed   Outcome = "failed"   // the caller or the target went away, or the target is not there
)

// unknown stands for a word that is none of the above, which no gate writes.
const unknown = "unknown"

// known returns word if it is one of list, and else "unknown"; empty stays empty.
func known[T ~string](word T, list ...T) T {
	if word == "" || slices.Contains(list, word) {
		return word
	}
	return unknown
}
