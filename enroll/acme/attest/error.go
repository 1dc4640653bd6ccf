package attest

import "fmt"

// Kind is the kind of every [Error]: the last part of the URN that
// draft-ietf-acme-device-attest adds to those of RFC 8555, Section 6.7.
const Kind = "badAttestationStatement"

// An Error says why an attestation is not accepted. Kind and Detail may go to the
// client: they name the check, and nothing that the object holds.
type Error struct {
	Kind   string // always the constant Kind
	Detail string // one line of English

	// Err is what a library said of it, or nil: for the daemon's log alone, as it
	// may quote the object.
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Kind, e.Detail) }

// Unwrap returns what is meant for the log alone.
func (e *Error) Unwrap() error { return e.Err }

// refuse returns an Error; err may be nil.
func refuse(detail string, err error) error { return &Error{Kind: Kind, Detail: detail, Err: err} }
