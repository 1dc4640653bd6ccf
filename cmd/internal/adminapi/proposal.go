package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// ProblemConsent is the type of a 403 that says: not you alone. What was asked for is on
// record as a proposal, which Detail names; who repeats the request when another person
// has agreed, has it.
const ProblemConsent = "urn:betonica:problem:consent"

// A Proposal is something that takes two people.
type Proposal struct {
	ID      string `json:"id"`      // P-7ZK4-09TM
	Kind    string `json:"kind"`    // token, tombstone, policy or power
	Subject string `json:"subject"` // what it is about
	Digest  string `json:"digest"`  // of all that it is, in hex: what one agrees to
	Reason  string `json:"reason,omitempty"`
	By      string `json:"proposed_by"`
	State   string `json:"state"` // open, approved, denied, used or lapsed

	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at"`

	DecidedBy string     `json:"decided_by,omitempty"`
	Decided   *time.Time `json:"decided_at,omitempty"`

	// In a list these are left out.
	Consents []Consent       `json:"consents,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"` // what is proposed, by its kind
}

// A Consent is one person's word for a proposal.
type Consent struct {
	Path   string    `json:"path"`
	Owner  string    `json:"owner"` // who answered for that person then
	Serial string    `json:"serial"`
	At     time.Time `json:"at"`
}

// AgreeRequest says yes to a proposal.
type AgreeRequest struct {
	Digest string `json:"digest"` // of the proposal that was looked at
}

// Proposals lists proposals, the newest first; open are those that somebody may still
// say something to, or that may be used.
func (c *Client) Proposals(ctx context.Context, open bool, at PageRequest) (Page[Proposal], error) {
	q := url.Values{}
	at.addTo(q)
	if open {
		q.Set("open", "true")
	}
	return call[Page[Proposal]](ctx, c, http.MethodGet, "proposals", q, nil)
}

// Proposal returns one proposal, with who has agreed and what it is.
func (c *Client) Proposal(ctx context.Context, id string) (Proposal, error) {
	return call[Proposal](ctx, c, http.MethodGet, "proposals/"+url.PathEscape(id), nil, nil)
}

// Agree says yes to a proposal.
func (c *Client) Agree(ctx context.Context, id string, req AgreeRequest) (Proposal, error) {
	return call[Proposal](ctx, c, http.MethodPost, "proposals/"+url.PathEscape(id)+"/approve", nil, req)
}

// Disagree says no to a proposal, also to one that was approved and not used.
func (c *Client) Disagree(ctx context.Context, id string) (Proposal, error) {
	return call[Proposal](ctx, c, http.MethodPost, "proposals/"+url.PathEscape(id)+"/deny", nil, nil)
}
