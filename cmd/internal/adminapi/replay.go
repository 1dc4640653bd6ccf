package adminapi

import (
	"context"
	"net/http"
	"time"
)

// ReplayRequest tries a policy on what was asked for before.
type ReplayRequest struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"` // at most 90 days ago
	// Token is Next of the part before; empty: the newest.
	Token string `json:"page_token,omitempty"`
}

// Replay is a part of what is on record, decided again.
type Replay struct {
	Judged  int        `json:"judged"`
	Unknown int        `json:"unknown"` // too little of them is on record
	Changed []Replayed `json:"changed"`
	Next    string     `json:"next_page_token,omitempty"`
	Oldest  *time.Time `json:"oldest,omitempty"` // of the part
}

// Replayed is a request that would be decided differently.
type Replayed struct {
	Was      string    `json:"was"` // "issued" or "refused"
	Identity string    `json:"identity"`
	Role     string    `json:"role"`
	Key      string    `json:"key,omitempty"` // of the role, which would refuse it
	Reason   string    `json:"reason"`        // why it would be, or was, refused
	Seq      int64     `json:"seq"`           // of its entry in the log
	At       time.Time `json:"at"`
}

// TestPolicy returns a part of what a policy would decide differently.
func (c *Client) TestPolicy(ctx context.Context, req ReplayRequest) (Replay, error) {
	return call[Replay](ctx, c, http.MethodPost, "policy/test", nil, req)
}
