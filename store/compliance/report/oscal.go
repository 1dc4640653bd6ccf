package report

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/betonica/betonica/store/compliance"
)

// oscalVersion is that of NIST's OSCAL whose assessment-results this is.
const oscalVersion = "1.1.3"

type (
	oscalFile struct {
		Results oscalResults `json:"assessment-results"`
	}
	oscalResults struct {
		UUID     string        `json:"uuid"`
		Metadata oscalMetadata `json:"metadata"`
		Plan     oscalHref     `json:"import-ap"`
		Results  []oscalResult `json:"results"`
		Back     oscalBack     `json:"back-matter"`
	}
	oscalMetadata struct {
		Title    string `json:"title"`
		Modified string `json:"last-modified"`
		Version  string `json:"version"`
		OSCAL    string `json:"oscal-version"`
		Remarks  string `json:"remarks,omitempty"`
	}
	oscalHref struct {
		Href string `json:"href"`
	}
	oscalBack struct {
		Resources []oscalResource `json:"resources"`
	}
	oscalResource struct {
		UUID        string      `json:"uuid"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Links       []oscalHref `json:"rlinks"`
	}
	oscalResult struct {
		UUID         string             `json:"uuid"`
		Title        string             `json:"title"`
		Description  string             `json:"description"`
		Start        string             `json:"start"`
		End          string             `json:"end"`
		Reviewed     oscalReviewed      `json:"reviewed-controls"`
		Observations []oscalObservation `json:"observations"`
		Findings     []oscalFinding     `json:"findings,omitempty"`
	}
	oscalReviewed struct {
		Selections []oscalSelection `json:"control-selections"`
	}
	oscalSelection struct {
		Controls []oscalControl `json:"include-controls"`
	}
	oscalControl struct {
		ID string `json:"control-id"`
	}
	oscalObservation struct {
		UUID        string          `json:"uuid"`
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Methods     []string        `json:"methods"`
		Evidence    []oscalEvidence `json:"relevant-evidence"`
		Collected   string          `json:"collected"`
		Expires     string          `json:"expires,omitempty"`
		Remarks     string          `json:"remarks,omitempty"`
	}
	oscalEvidence struct {
		Href        string `json:"href"`
		Description string `json:"description"`
	}
	oscalFinding struct {
		UUID        string         `json:"uuid"`
		Title       string         `json:"title"`
		Description string         `json:"description"`
		Target      oscalTarget    `json:"target"`
		Related     []oscalRelated `json:"related-observations"`
	}
	oscalTarget struct {
		Type   string      `json:"type"`
		ID     string      `json:"target-id"`
		Status oscalStatus `json:"status"`
	}
	oscalStatus struct {
		State   string `json:"state"`
		Reason  string `json:"reason"`
		Remarks string `json:"remarks,omitempty"`
	}
	oscalRelated struct {
		UUID string `json:"observation-uuid"`
	}
)

func oscal(in Input) ([]byte, error) {
	r := in.Run
	at := r.At.UTC().Format(time.RFC3339)
	result := oscalResult{
		UUID: newUUID(), Title: r.Title, Start: r.Since.UTC().Format(time.RFC3339), End: at,
		Description: "Evidence that supports paragraphs of 45 CFR Part 164, Subpart C, collected by a certificate authority. " + r.Note,
	}
	controls := map[string]bool{}
	var selection oscalSelection
	for _, c := range r.Results {
		for _, cite := range c.Cites {
			if id := controlID(cite); !controls[id] {
				controls[id] = true
				selection.Controls = append(selection.Controls, oscalControl{id})
			}
		}
		o, f := observe(c, at)
		result.Observations = append(result.Observations, o)
		if f != nil {
			result.Findings = append(result.Findings, *f)
		}
	}
	result.Reviewed.Selections = []oscalSelection{selection}
	plan := newUUID()
	return indented(oscalFile{oscalResults{
		UUID:     newUUID(),
		Metadata: oscalMetadata{Title: "Evidence for the safeguards of 45 CFR 164.312, " + r.TrustDomain, Modified: at, Version: fmt.Sprint(r.Version), OSCAL: oscalVersion, Remarks: r.Note},
		Plan:     oscalHref{"#" + plan},
		Results:  []oscalResult{result},
		Back: oscalBack{[]oscalResource{{plan, "The checks, version " + fmt.Sprint(r.Version),
			"Numbered checks with their queries and limits, SHA-256 " + r.Digest + ".", []oscalHref{{"results.json"}}}}},
	}})
}

// observe returns what a check saw and, where it came to a conclusion, that.
func observe(c compliance.Result, at string) (oscalObservation, *oscalFinding) {
	o := oscalObservation{
		UUID: newUUID(), Title: c.ID + " " + c.Title, Description: c.Found, Methods: []string{"TEST"}, Collected: at,
		Evidence: []oscalEvidence{{"results.json", "Result " + c.ID + ", found by: " + c.Query}}, Remarks: string(c.State),
	}
	status := oscalStatus{State: "satisfied", Reason: "pass"}
	switch c.State {
	case compliance.Attested:
		o.Methods, o.Expires, status.Reason = []string{"INTERVIEW"}, c.Expires.UTC().Format(time.RFC3339), "other"
		status.Remarks = "Attested by " + c.By
	case compliance.Fail:
		status = oscalStatus{"not-satisfied", "fail", c.Do}
	case compliance.NotTested, compliance.NotApplicable:
		return o, nil
	}
	return o, &oscalFinding{
		UUID: newUUID(), Title: c.Title, Description: "Evidence supporting " + strings.Join(c.Cites, ", ") + ": " + c.Found,
		Target: oscalTarget{"objective-id", controlID(c.Cites[0]), status}, Related: []oscalRelated{{o.UUID}},
	}
}

// controlID is the name of a paragraph in a catalogue of ours; NIST publishes none of this
// rule: "hipaa-164.312.a.2.i".
func controlID(cite string) string {
	return "hipaa-" + strings.TrimSuffix(strings.NewReplacer(")(", ".", "(", ".", ")", "").Replace(cite), ".")
}

// newUUID returns a random one (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
