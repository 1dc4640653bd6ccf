package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// A Power is a right that a person has for a time, or had.
type Power struct {
	ID     string `json:"id"` // P-7ZK4-09TM; of one that was proposed, the proposal's
	Person string `json:"person"`
	Kind   string `json:"kind"`  // grant or break-glass
	Right  string `json:"right"` // log, tokens, identities, revocation, policy; emergency
	Reason string `json:"reason"`
	By     string `json:"granted_by,omitempty"` // who agreed
	State  string `json:"state"`                // live, over or ended

	Begun time.Time `json:"begun_at"`
	Ends  time.Time `json:"ends_at"`
	Uses  int64     `json:"uses"` // calls that needed it

	Ended   *time.Time `json:"ended_at,omitempty"`
	EndedBy string     `json:"ended_by,omitempty"`

	// ReviewDue is when somebody else has to have looked at the power of an emergency.
	ReviewDue  *time.Time `json:"review_due_at,omitempty"`
	Reviewed   *time.Time `json:"reviewed_at,omitempty"`
	ReviewedBy string     `json:"reviewed_by,omitempty"`
	Word       string     `json:"word,omitempty"`
}

// PowerRequest asks for a power.
type PowerRequest struct {
	Right  string   `json:"right,omitempty"` // none in an emergency
	For    Duration `json:"for"`
	Reason string   `json:"reason"`
}

// ReviewRequest says what somebody has found who looked.
type ReviewRequest struct {
	Word string `json:"word"`
}

// RequestPower asks for a right for a time. It begins when another person has agreed, and
// the same is asked again.
func (c *Client) RequestPower(ctx context.Context, req PowerRequest) (Power, error) {
	return call[Power](ctx, c, http.MethodPost, "powers", nil, req)
}

// BreakGlass takes the power of an emergency.
func (c *Client) BreakGlass(ctx context.Context, req PowerRequest) (Power, error) {
	return call[Power](ctx, c, http.MethodPost, "powers/break-glass", nil, req)
}

// Powers lists powers, the newest first.
func (c *Client) Powers(ctx context.Context, live bool, at PageRequest) (Page[Power], error) {
	q := url.Values{}
	at.addTo(q)
	if live {
		q.Set("live", "true")
	}
	return call[Page[Power]](ctx, c, http.MethodGet, "powers", q, nil)
}

// EndPower ends a power before its time.
func (c *Client) EndPower(ctx context.Context, id string) (Power, error) {
	return call[Power](ctx, c, http.MethodPost, "powers/"+url.PathEscape(id)+"/end", nil, nil)
}

// ReviewPower records what somebody says who has looked at what was done by a power.
func (c *Client) ReviewPower(ctx context.Context, id string, req ReviewRequest) (Power, error) {
	return call[Power](ctx, c, http.MethodPost, "powers/"+url.PathEscape(id)+"/review", nil, req)
}
