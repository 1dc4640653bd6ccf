package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A ComplianceEvent is one line of the answer to a check of the safeguards, which takes
// its time: how far it is, then what it found, then the files of a report, then the end.
// An answer that does not end so was cut off.
type ComplianceEvent struct {
	Done  int64           `json:"done,omitempty"`
	Total int64           `json:"total,omitempty"` // nonzero where the line says how far it is
	Run   json.RawMessage `json:"run,omitempty"`   // as package compliance has it
	File  *ComplianceFile `json:"file,omitempty"`
	End   bool            `json:"end,omitempty"`
}

// A ComplianceFile is one of a report.
type ComplianceFile struct {
	Name string `json:"name"`
	Text []byte `json:"text"`
}

// AttestationRequest is the word of a person about a check that no query makes.
type AttestationRequest struct {
	Check string   `json:"check"`
	Word  string   `json:"word"`
	For   Duration `json:"for"`
}

// Attestation says until when it holds.
type Attestation struct {
	Check   string    `json:"check"`
	Expires time.Time `json:"expires"`
}

// MediaEvents is how events are sent: one JSON document a line.
const MediaEvents = "application/x-ndjson"

// CheckCompliance has the safeguards checked by a profile, and calls each with what is
// told of it, the end aside.
func (c *Client) CheckCompliance(ctx context.Context, profile string, each func(ComplianceEvent) error) error {
	return c.compliance(ctx, "compliance/check", profile, each)
}

// ReportCompliance is CheckCompliance with the files of a report.
func (c *Client) ReportCompliance(ctx context.Context, profile string, each func(ComplianceEvent) error) error {
	return c.compliance(ctx, "compliance/report", profile, each)
}

func (c *Client) compliance(ctx context.Context, path, profile string, each func(ComplianceEvent) error) error {
	q := url.Values{}
	set(q, "profile", profile)
	body, err := c.send(ctx, http.MethodPost, path, q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	for d := json.NewDecoder(body); ; {
		var e ComplianceEvent
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: the daemon's answer ends in the middle; its log says why", ErrUnreachable)
		} else if err != nil {
			return fmt.Errorf("reading the daemon's answer: %w", err)
		}
		if e.End {
			return nil
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// AttestCompliance puts the word of a person on record.
func (c *Client) AttestCompliance(ctx context.Context, req AttestationRequest) (Attestation, error) {
	return call[Attestation](ctx, c, http.MethodPost, "compliance/attestations", nil, req)
}
