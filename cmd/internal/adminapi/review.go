package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ReviewFilter says which part of the log is gathered: entries by number, or what was made
// in a time. The zero filter is what came since the newest review, or a week.
type ReviewFilter struct {
	First, Last  int64
	Since, Until time.Time
}

// Review is what is in a part of the log, grouped by what is unusual.
type Review struct {
	Since    time.Time     `json:"since"`
	Until    time.Time     `json:"until"`
	First    int64         `json:"first"` // entries
	Last     int64         `json:"last"`
	Root     string        `json:"root"`     // hash of the tree of the log's first Last entries
	Compared int           `json:"compared"` // spans of the same length before, that there is a log of
	Groups   []ReviewGroup `json:"groups"`   // the most unusual first
	Ordinary []ReviewLine  `json:"ordinary"` // the rest, by action
	Acts     []ReviewAct   `json:"acts"`     // of people, by their rights
	Again    bool          `json:"again,omitempty"`
}

// ReviewGroup is one kind of what is unusual.
type ReviewGroup struct {
	Name  string       `json:"name"`
	Title string       `json:"title"`
	Count int64        `json:"count"`
	Lines []ReviewLine `json:"lines"`
	Rest  int64        `json:"rest,omitempty"` // entries that are in none of the lines
}

// ReviewLine is what several entries have in common.
type ReviewLine struct {
	What    string  `json:"what"`
	Count   int64   `json:"count"`
	AtLeast bool    `json:"at_least,omitempty"` // there may be more
	Entries []int64 `json:"entries,omitempty"`  // the first of them
}

// ReviewAct is what one person did.
type ReviewAct struct {
	Person string `json:"person"`
	Count  int64  `json:"count"`
	New    bool   `json:"new,omitempty"` // did nothing of the kind before
}

// LogReviewRequest is the word of a person about a part of the log that he was shown.
type LogReviewRequest struct {
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	Root  string `json:"root"` // that he was shown
	Word  string `json:"word"`
}

// Reviewed is a review on record.
type Reviewed struct {
	Entry  int64            `json:"entry,omitempty"` // of the log
	At     time.Time        `json:"at"`
	By     string           `json:"by"`
	Since  time.Time        `json:"since"`
	Until  time.Time        `json:"until"`
	First  int64            `json:"first"`
	Last   int64            `json:"last"`
	Root   string           `json:"root"`
	Groups map[string]int64 `json:"groups"` // what there was, by group
	Own    int64            `json:"own"`    // acts of the reviewer's own, or of his owner's others
	Acts   int64            `json:"acts"`   // of all people
	Again  bool             `json:"again"`  // a part was reviewed before
	Word   string           `json:"word"`
}

// Unreviewed is a part of the log that nobody has reviewed.
type Unreviewed struct {
	First int64     `json:"first"`
	Last  int64     `json:"last"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// Reviews is who reviewed what when.
type Reviews struct {
	Done  []Reviewed   `json:"done"`           // the newest first
	Gaps  []Unreviewed `json:"gaps"`           // since the first of them, the oldest first
	Began time.Time    `json:"began"`          // when the log did
	Lost  bool         `json:"lost,omitempty"` // there were more than are read

	// Waits is since when the oldest entry waits; nil: none does. Late says that it is
	// longer than it may be.
	Waits *time.Time `json:"waits,omitempty"`
	Late  bool       `json:"late"`
}

// ReviewEvent is one line of the answer to who has the log gathered, which takes its time:
// how far it is, then the review. An answer without one was cut off.
type ReviewEvent struct {
	Done   int64           `json:"done,omitempty"`
	Total  int64           `json:"total,omitempty"` // nonzero where the line says how far it is
	Review json.RawMessage `json:"review,omitempty"`
}

// GatherReview has a part of the log gathered, and calls progress with how far that is.
func (c *Client) GatherReview(ctx context.Context, f ReviewFilter, progress func(done, total int64)) (Review, error) {
	q := url.Values{}
	for name, n := range map[string]int64{"first": f.First, "last": f.Last} {
		if n != 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	setTime(q, "since", f.Since)
	setTime(q, "until", f.Until)
	body, err := c.send(ctx, http.MethodGet, "audit/review", q, nil)
	if err != nil {
		return Review{}, err
	}
	defer body.Close()
	for d := json.NewDecoder(body); ; {
		var e ReviewEvent
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return Review{}, fmt.Errorf("%w: the daemon's answer ends in the middle; its log says why", ErrUnreachable)
		} else if err != nil {
			return Review{}, fmt.Errorf("reading the daemon's answer: %w", err)
		}
		if e.Review != nil {
			var r Review
			return r, json.Unmarshal(e.Review, &r)
		}
		progress(e.Done, e.Total)
	}
}

// ReviewLog puts the word of a person on record.
func (c *Client) ReviewLog(ctx context.Context, req LogReviewRequest) (Reviewed, error) {
	return call[Reviewed](ctx, c, http.MethodPost, "audit/review", nil, req)
}

// Reviews returns who reviewed what when.
func (c *Client) Reviews(ctx context.Context) (Reviews, error) {
	return call[Reviews](ctx, c, http.MethodGet, "audit/reviews", nil, nil)
}
