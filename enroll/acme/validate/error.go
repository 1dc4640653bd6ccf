package validate

import "fmt"

// The kinds of [Error]: the last part of the URNs in RFC 8555, Section 6.7.
const (
	KindConnection        = "connection"        // nothing to talk to, or nowhere that we may talk to
	KindDNS               = "dns"               // a query was not answered, or there is no such name
	KindTLS               = "tls"               // the handshake failed
	KindIncorrectResponse = "incorrectResponse" // there was an answer, and it is not what the challenge demands
)

// An Error says why a challenge did not show what it should. Kind and Detail are
// ours and may go to the client; neither holds anything that came from the other
// side.
type Error struct {
	Kind   string // one of the kinds above
	Detail string // one line of English

	// Err is what happened below, or nil. It is for the daemon's log alone: it may
	// name addresses and quote the other side.
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Kind, e.Detail) }

// Unwrap returns what is meant for the log alone.
func (e *Error) Unwrap() error { return e.Err }
