package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// An Alert is one thing that is worth a person's look.
type Alert struct {
	ID       int64    `json:"id"`
	Rule     string   `json:"rule"`
	Class    string   `json:"class"` // invariant, baseline or fleet
	Title    string   `json:"title"`
	Severity string   `json:"severity"` // critical, high, medium or low
	State    string   `json:"state"`    // open, acknowledged or resolved
	Site     string   `json:"site,omitempty"`
	Subject  string   `json:"subject,omitempty"`  // whom it is about; absent: several
	Subjects []string `json:"subjects,omitempty"` // the first sixteen of several

	Opened time.Time `json:"opened_at"`
	Last   time.Time `json:"last_at"` // when it was last found
	Count  int64     `json:"count"`   // how often

	Facts   [2]string    `json:"facts"`   // what was compared
	Entries []AlertEntry `json:"entries"` // that say so
	Do      string       `json:"do"`      // what a person does about it

	Acknowledged *time.Time `json:"acknowledged_at,omitempty"`
	By           string     `json:"acknowledged_by,omitempty"`
	Word         string     `json:"word,omitempty"`
	Resolved     *time.Time `json:"resolved_at,omitempty"`
	Why          string     `json:"why,omitempty"` // it is resolved

	// History is what the log has of it, the oldest first, of one alert alone.
	History []AlertStep `json:"history,omitempty"`
}

// An AlertEntry is one of the CA's log, or, with an Origin, of that guard's journal.
type AlertEntry struct {
	Origin string     `json:"origin,omitempty"`
	Seq    int64      `json:"seq"`
	At     *time.Time `json:"at,omitempty"` // absent in lists, and of journals
	Action string     `json:"action,omitempty"`
}

// An AlertStep is one entry of the log about an alert.
type AlertStep struct {
	Seq   int64     `json:"seq"`
	At    time.Time `json:"at"`
	What  string    `json:"what"` // open, count, acknowledge or resolve
	Actor string    `json:"actor"`
	Text  string    `json:"text"` // the second fact, the word, or why
}

// AlertFilter narrows a list of alerts; the zero filter has those that are not resolved.
type AlertFilter struct {
	All      bool   // those that are resolved, too
	Severity string // this or worse
	Site     string
	Since    time.Time // opened then or later
}

// Alerts lists alerts, the newest first.
func (c *Client) Alerts(ctx context.Context, f AlertFilter, at PageRequest) (Page[Alert], error) {
	q := url.Values{}
	at.addTo(q)
	if f.All {
		q.Set("all", "true")
	}
	set(q, "severity", f.Severity)
	set(q, "site", f.Site)
	if !f.Since.IsZero() {
		q.Set("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	return call[Page[Alert]](ctx, c, http.MethodGet, "alerts", q, nil)
}

// Alert returns an alert, with its history.
func (c *Client) Alert(ctx context.Context, id int64) (Alert, error) {
	return call[Alert](ctx, c, http.MethodGet, "alerts/"+strconv.FormatInt(id, 10), nil, nil)
}

// AcknowledgeAlert records that somebody has seen an alert, and his word.
func (c *Client) AcknowledgeAlert(ctx context.Context, id int64, req ReviewRequest) (Alert, error) {
	return call[Alert](ctx, c, http.MethodPost, "alerts/"+strconv.FormatInt(id, 10)+"/acknowledge", nil, req)
}

// A QuietRequest says that there is planned work.
type QuietRequest struct {
	Site   string    `json:"site,omitempty"` // empty: everywhere
	Until  time.Time `json:"until"`          // past: it is over
	Reason string    `json:"reason"`
}

// Quiet keeps alerts that planned work would raise quiet at a site; invariants never are.
func (c *Client) Quiet(ctx context.Context, req QuietRequest) (QuietRequest, error) {
	return call[QuietRequest](ctx, c, http.MethodPost, "alerts/quiet", nil, req)
}
