package acme

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme/attest"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// A kind is an error type of ACME, without its prefix.
type kind string

const kindPrefix = "urn:ietf:params:acme:error:"

// MarshalText writes the URN.
func (k kind) MarshalText() ([]byte, error) { return []byte(kindPrefix + string(k)), nil }

// Those of RFC 8555, Section 6.7 that this server has a use for (it looks for no
// CAA records, and no user has to visit anything), and those of later documents.
// connection, dns, tls, unauthorized and incorrectResponse come from package
// validate, badAttestationStatement from attest.
const (
	accountDoesNotExist     kind = "accountDoesNotExist"
	alreadyRevoked          kind = "alreadyRevoked"
	badCSR                  kind = "badCSR"
	badNonce                kind = "badNonce"
	badPublicKey            kind = "badPublicKey"
	badRevocationReason     kind = "badRevocationReason"
	badSignatureAlgorithm   kind = "badSignatureAlgorithm"
	externalAccountRequired kind = "externalAccountRequired"
	invalidContact          kind = "invalidContact"
	malformedRequest        kind = "malformed"
	orderNotReady           kind = "orderNotReady"
	rateLimited             kind = "rateLimited"
	rejectedIdentifier      kind = "rejectedIdentifier"
	serverInternal          kind = "serverInternal"
	unauthorized            kind = "unauthorized"
	unsupportedContact      kind = "unsupportedContact"
	unsupportedIdentifier   kind = "unsupportedIdentifier"
	userActionRequired      kind = "userActionRequired"
	compound                kind = "compound"

	alreadyReplaced kind = "alreadyReplaced" // RFC 9773, Section 7.4
	invalidProfile  kind = "invalidProfile"  // draft-ietf-acme-profiles, Section 5
)

// A problem is what a request is answered with when it fails (RFC 8555, Section
// 6.7; RFC 9457), and as an error what a page returns. Its text is for strangers.
type problem struct {
	Type        kind                      `json:"type"`
	Detail      string                    `json:"detail"`
	Status      int                       `json:"status,omitempty"`
	Identifier  *identifier               `json:"identifier,omitempty"`  // of a subproblem
	Subproblems []*problem                `json:"subproblems,omitempty"` // Section 6.7.1
	Algorithms  []jose.SignatureAlgorithm `json:"algorithms,omitempty"`  // Section 6.2

	retry    time.Duration // Retry-After; 0: none
	location string        // Location: the account that has the key (Section 7.3.5)
	terms    string        // Link: the terms to agree to (Section 7.3)
}

func (p *problem) Error() string { return string(p.Type) + ": " + p.Detail }

// status gives a new problem another status.
func (p *problem) status(code int) *problem {
	p.Status = code
	return p
}

func newProblem(status int, k kind, detail string) *problem {
	return &problem{Type: k, Status: status, Detail: detail}
}

func malformed(detail string) *problem {
	return newProblem(http.StatusBadRequest, malformedRequest, detail)
}

func notFound(what string) *problem {
	return newProblem(http.StatusNotFound, malformedRequest, "there is no such "+what)
}

func limited(what string, wait time.Duration) *problem {
	p := newProblem(http.StatusTooManyRequests, rateLimited, what)
	p.retry = max(wait, time.Second)
	return p
}

// problemOf says what a stranger may know of err; whatever it does not name is an
// internal error. Package enroll says what the errors mean.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if p := rejected(err); p != nil {
		return p
	}
	if e, ok := errors.AsType[*enroll.ProfileError](err); ok {
		return newProblem(http.StatusBadRequest, invalidProfile, e.Error())
	}
	if e, ok := errors.AsType[*api.BadRequestError](err); ok {
		return malformed(e.Detail)
	}
	if e, ok := errors.AsType[*ca.RequestError](err); ok {
		return newProblem(http.StatusBadRequest, badCSR, e.Error())
	}
	if e, ok := errors.AsType[*ca.DeniedError](err); ok && e.Key {
		return newProblem(http.StatusBadRequest, badCSR, e.Error()) // Section 7.4: a key that is not acceptable
	} else if ok {
		return newProblem(http.StatusForbidden, unauthorized, e.Error())
	}
	if e, ok := errors.AsType[*enroll.ConflictError](err); ok {
		return newProblem(http.StatusForbidden, unauthorized, e.Error())
	}
	if e, ok := errors.AsType[*enroll.RateLimitError](err); ok {
		return limited(e.Error(), e.RetryAfter)
	}
	for _, known := range problems {
		if errors.Is(err, known.err) {
			p := newProblem(known.status, known.kind, known.detail)
			p.retry = known.retry
			return p
		}
	}
	if store.TroubleOf(err) != "" { // of what kind is for the operator
		p := newProblem(http.StatusServiceUnavailable, serverInternal, "nothing can be recorded at present")
		p.retry = 30 * time.Second
		return p
	}
	return newProblem(http.StatusInternalServerError, serverInternal, "internal error")
}

// problems are the errors that are known by name.
var problems = []struct {
	err    error
	status int
	kind   kind
	detail string
	retry  time.Duration
}{
	{enroll.ErrUnauthenticated, http.StatusForbidden, unauthorized, "the external account binding is not a good one: its kid or key is wrong, or its token is used, expired or revoked; the operator makes another with `betonica token create --eab`", 0},
	{enroll.ErrReused, http.StatusForbidden, unauthorized, enroll.ErrReused.Error(), 0},
	{ErrAlreadyRevoked, http.StatusBadRequest, alreadyRevoked, ErrAlreadyRevoked.Error(), 0},
	{store.ErrNotFound, http.StatusNotFound, malformedRequest, "there is nothing under this URL", 0},
	{store.ErrBadCursor, http.StatusBadRequest, malformedRequest, "the cursor is not one of ours", 0},
	{store.ErrKeyTaken, http.StatusBadRequest, badPublicKey, "the public key has been used before: make a new one", 0},
	{store.ErrNameTaken, http.StatusForbidden, rejectedIdentifier, "a name that was asked for belongs to another identity", 0},
	{store.ErrSpent, http.StatusForbidden, unauthorized, "the token or the order has been used already, or is no longer good", 0},
	{store.ErrForked, http.StatusServiceUnavailable, serverInternal, "another request is doing the same: try again", time.Second},
	{store.ErrStale, http.StatusServiceUnavailable, serverInternal, "what the decision was based on has changed: try again", time.Second},
	{store.ErrDiskFull, http.StatusServiceUnavailable, serverInternal, "nothing can be recorded at present", 30 * time.Second},
	{store.ErrUnknown, http.StatusServiceUnavailable, serverInternal, "it is not certain that the request was recorded: repeat it", 5 * time.Second},
	{store.ErrClosed, http.StatusServiceUnavailable, serverInternal, "stopping", 5 * time.Second},
	{ca.ErrExpired, http.StatusServiceUnavailable, serverInternal, "nothing can be signed at present", time.Hour},
	{context.Canceled, http.StatusServiceUnavailable, serverInternal, "the request was given up", time.Second},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, serverInternal, "the request took too long", 5 * time.Second},
}

// rejected returns one subproblem for each identifier that policy refuses
// (Section 6.7.1), or nil if err is about something else.
func rejected(err error) *problem {
	var subs []*problem
	collect(err, func(e *enroll.IdentifierError) {
		id := shown(e.Identifier)
		subs = append(subs, &problem{Type: rejectedIdentifier, Detail: e.Reason, Identifier: &id})
	})
	if len(subs) == 0 {
		return nil
	}
	p := newProblem(http.StatusForbidden, rejectedIdentifier, fmt.Sprintf("%d of the identifiers are not for this account", len(subs)))
	if len(subs) == 1 {
		p.Detail = subs[0].Identifier.Value + ": " + subs[0].Detail
	}
	p.Subproblems = subs
	return p
}

// collect calls f for each error of that type in a tree of joined errors.
func collect[E error](err error, f func(E)) {
	switch e := err.(type) {
	case E:
		f(e)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			collect(err, f)
		}
	case interface{ Unwrap() error }:
		collect(e.Unwrap(), f)
	}
}

// challengeProblem is what a failed validation is recorded and shown as.
func challengeProblem(err error) *problem {
	if e, ok := errors.AsType[*validate.Error](err); ok {
		return newProblem(http.StatusForbidden, kind(e.Kind), e.Detail)
	}
	if e, ok := errors.AsType[*attest.Error](err); ok {
		return newProblem(http.StatusForbidden, kind(e.Kind), e.Detail)
	}
	return newProblem(http.StatusInternalServerError, serverInternal, "the validation could not be made")
}
