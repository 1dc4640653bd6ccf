package enroll

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/ca"
)

var (
	// ErrUnauthenticated reports that the caller has shown neither a good token
	// nor a good certificate. Whoever is told so is not told why: the audit log is.
	ErrUnauthenticated = errors.New("token or certificate unknown, expired or already used")

	// ErrNotAsked reports that nobody waits for approval of that key.
	ErrNotAsked = errors.New("nobody has asked with this key")

	// ErrReused reports a spent token that came back with another key: somebody
	// else had it. It is alarmed, and the identity is marked suspect.
	ErrReused = errors.New("token was already used with another key")
)

// A ForkedError reports that a certificate which somebody else has renewed already is not
// renewed once more: a copy of it, or of the disk that it is on, is about. It is
// alarmed, and the identity is marked suspect.
type ForkedError struct{ denied *ca.DeniedError }

func (e *ForkedError) Error() string { return e.denied.Error() }
func (e *ForkedError) Unwrap() error { return e.denied }

// A PersonError reports that an actor may not do what takes people, or two of them. It is
// a [*ca.DeniedError] in other words.
type PersonError struct {
	Actor  string
	denied *ca.DeniedError
}

func (e *PersonError) Error() string { return e.Actor + " may not do that: " + e.denied.Reason }
func (e *PersonError) Unwrap() error { return e.denied }

// recorded is an error that is on record already.
type recorded struct{ error }

func (e recorded) Unwrap() error { return e.error }

// A RateLimitError reports too many bad tokens from one source, or for one
// token. A good token passes all the same.
type RateLimitError struct {
	RetryAfter time.Duration // at most an hour
	Of         string        // what there is too much of; "": bad tokens
}

func (e *RateLimitError) Error() string {
	return fmt.Sprintf("too many %s; try again in %s", cmp.Or(e.Of, "bad tokens"), e.RetryAfter.Round(time.Second))
}

// An AttestationError refuses what is said to be the word of a TPM. Its text is meant
// for the caller; it is on record.
type AttestationError struct {
	Detail string
}

func (e *AttestationError) Error() string { return "attestation: " + e.Detail }

// A ConflictError reports that something is not in the state that the call
// needs. Its text is meant for the caller.
type ConflictError struct {
	Detail string
}

func (e *ConflictError) Error() string { return e.Detail }

func conflictf(format string, args ...any) error {
	return &ConflictError{fmt.Sprintf(format, args...)}
}
