package api

import (
	"fmt"
	"net/http"
	"time"
)

// Media types of the native API.
const (
	MediaJSON    = "application/json"
	MediaProblem = "application/problem+json"          // RFC 9457, Section 3
	MediaCSR     = "application/pkcs10"                // RFC 5967
	MediaChain   = "application/pem-certificate-chain" // RFC 8555, Section 9.1
	MediaJOSE    = "application/jose"                  // RFC 7515, Section 9.2.1
)

// Problem types. They are URIs that identify and locate nothing.
const (
	ProblemMalformed       = "urn:betonica:problem:malformed"       // 400, 413, 415: the request itself is wrong
	ProblemUnauthenticated = "urn:betonica:problem:unauthenticated" // 401: no good token or certificate; never says why
	ProblemDenied          = "urn:betonica:problem:denied"          // 403: policy says no; detail names the rule
	ProblemAttestation     = "urn:betonica:problem:attestation"     // 403: not what a TPM says that is on record; or not any more
	ProblemForked          = "urn:betonica:problem:forked"          // 403: the certificate that asked was renewed before: two machines hold it
	ProblemNotFound        = "urn:betonica:problem:not-found"       // 404
	ProblemReused          = "urn:betonica:problem:reused"          // 409: a spent token or parent with another key
	ProblemConflict        = "urn:betonica:problem:conflict"        // 409: key or name belongs to another, state changed
	ProblemRateLimited     = "urn:betonica:problem:rate-limited"    // 429, with Retry-After
	ProblemUnavailable     = "urn:betonica:problem:unavailable"     // 503, with Retry-After: try again
	ProblemInternal        = "urn:betonica:problem:internal"        // 500: our fault, logged under request_id
)

// A Problem is an error as RFC 9457 writes it. It says what is wrong with the
// request, and nothing about the server. As an error it is what the server
// answered to a client.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	// RequestID is what the operator finds the request by, in log and audit.
	RequestID string `json:"request_id,omitempty"`

	// RetryAfter is how long to wait before the next try, from the header of that
	// name (RFC 9110, Section 10.2.3); 0 if the server did not say.
	RetryAfter time.Duration `json:"-"`
}

// NewProblem returns a problem titled by its status.
func NewProblem(status int, typ, detail string) *Problem {
	return &Problem{Type: typ, Title: http.StatusText(status), Status: status, Detail: detail}
}

func (p *Problem) Error() string {
	detail := p.Detail
	if detail == "" {
		detail = p.Title
	}
	if p.RequestID != "" {
		return fmt.Sprintf("%s (%d, request %s)", detail, p.Status, p.RequestID)
	}
	return fmt.Sprintf("%s (%d)", detail, p.Status)
}

// A BadRequestError reports a request that could not be read: its text may go to
// whoever sent it, and repeats none of the request.
type BadRequestError struct {
	Status int // 400, 413 (too large) or 415 (unknown media type)
	Detail string
}

func (e *BadRequestError) Error() string { return e.Detail }
