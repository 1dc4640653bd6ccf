package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// A Request is a machine that asks for a person's approval.
type Request struct {
	ID   string `json:"id"`   // 32 hex digits
	Code string `json:"code"` // that the machine shows
	// SPKI is the SHA-256 of its public key (the SubjectPublicKeyInfo in DER), in hex:
	// what an approval binds.
	SPKI    string    `json:"spki"`
	State   string    `json:"state"` // waiting, approved, denied, used or lapsed
	Role    string    `json:"role"`  // asked for
	Address string    `json:"address"`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at"`
	KeyType string    `json:"key_type"`
	// Proofs is what else it has shown, joined by +, and what is known by that.
	Proofs string `json:"proofs,omitempty"`
	// Identity is the path that it was approved as; of one that waits, the one that its
	// other proofs are of.
	Identity string `json:"identity,omitempty"`
	Replace  bool   `json:"replace,omitempty"`

	DecidedBy string     `json:"decided_by,omitempty"`
	Decided   *time.Time `json:"decided_at,omitempty"`

	// Claims are what it says of itself. Nobody has looked at that.
	Claims Claims `json:"claims"`
}

// Claims are the names in a machine's own certificate request.
type Claims struct {
	Identity   string   `json:"identity,omitempty"` // its URI
	CommonName string   `json:"common_name,omitempty"`
	DNSNames   []string `json:"dns,omitempty"`
	IPs        []string `json:"ips,omitempty"`
}

// RequestFilter narrows a list; an empty field does not.
type RequestFilter struct {
	Code string // as people write it
	Role string
	Open bool // only those that wait
}

// ApproveRequest says who a machine is.
type ApproveRequest struct {
	// SPKI is that of the request that was looked at, in hex.
	SPKI string `json:"spki"`
	// Role and Name are whom it is enrolled as; an identity that is unknown is made. Both
	// empty: the one that its other proofs are of.
	Role string `json:"role,omitempty"`
	Name string `json:"name,omitempty"`
	// Owner answers for an identity that is made.
	Owner string `json:"owner,omitempty"`
	// Replace enrols an identity that already holds certificates, and supersedes them.
	Replace bool `json:"replace,omitempty"`
}

// DenyRequest turns a machine away.
type DenyRequest struct {
	// SPKI is that of the request that was looked at, in hex.
	SPKI string `json:"spki"`
}

// Requests lists requests for approval, the newest first.
func (c *Client) Requests(ctx context.Context, f RequestFilter, at PageRequest) (Page[Request], error) {
	q := url.Values{}
	at.addTo(q)
	set(q, "code", f.Code)
	set(q, "role", f.Role)
	if f.Open {
		q.Set("open", "true")
	}
	return call[Page[Request]](ctx, c, http.MethodGet, "requests", q, nil)
}

// Approve lets the machine of a request have its certificate when it comes back.
func (c *Client) Approve(ctx context.Context, id string, req ApproveRequest) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, "requests/"+url.PathEscape(id)+"/approve", nil, req)
}

// Deny turns the machine of a request away, also one that was approved and has not come
// back.
func (c *Client) Deny(ctx context.Context, id string, req DenyRequest) (Request, error) {
	return call[Request](ctx, c, http.MethodPost, "requests/"+url.PathEscape(id)+"/deny", nil, req)
}
