package adminapi

import (
	"errors"
	"fmt"
)

// ErrUnreachable says that no answer came from the daemon: it is not running,
// or not where the client looked. Trying again may help.
var ErrUnreachable = errors.New("the daemon cannot be reached")

// ProblemForbidden is the type of a 403 that says: not you. Where it is policy
// that refuses, the type is package api's ProblemDenied, as all other types are
// package api's.
const ProblemForbidden = "urn:betonica:problem:forbidden"

// A ForbiddenError refuses a caller whose right does not reach as far as what he
// asked for. Its text is meant for him.
type ForbiddenError struct {
	Actor string // "uid:1000", "operator/alice"
	Verb  string // what it takes a right to do: "change the policy"
	Needs string // who may: "role admin"
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("%s may not %s: it takes %s", e.Actor, e.Verb, e.Needs)
}

// A NotFoundError says that what the caller named is not on record.
type NotFoundError struct {
	What string // "identity device/SN-1"
}

func (e *NotFoundError) Error() string { return e.What + " is not on record" }

// A Problem is the daemon's answer to a request that it did not fulfil: a
// problem document, RFC 9457.
type Problem struct {
	// Type tells problems of one status apart; it is stable.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is for people.
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	// RequestID finds the request in the daemon's log and in the audit log.
	RequestID string `json:"request_id,omitempty"`
}

func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.RequestID == "" {
		return text
	}
	return fmt.Sprintf("%s (request id %s)", text, p.RequestID)
}
