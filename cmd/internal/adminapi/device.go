package adminapi

import (
	"context"
	"fmt"
	"net/http"
)

// MaxImport is how many lines of an inventory one request may have.
const MaxImport = 500

// An ImportLine is a device as a list of what was bought has it.
type ImportLine struct {
	Serial string `json:"serial"`
	Name   string `json:"name,omitempty"` // of its identity; empty: the serial number
	Owner  string `json:"owner,omitempty"`
	Site   string `json:"site,omitempty"`
	EK     string `json:"ek_sha256,omitempty"` // of its endorsement key's SubjectPublicKeyInfo, in hex
	// DNSNames and IPs are as of an [IdentityRequest].
	DNSNames []string `json:"dns_names,omitempty"`
	IPs      []string `json:"ips,omitempty"`
}

// ImportRequest puts devices of a role on record: 1 to [MaxImport] lines.
type ImportRequest struct {
	Role   string       `json:"role"`
	Lines  []ImportLine `json:"lines"`
	DryRun bool         `json:"dry_run,omitempty"` // only say what would become of each
}

// What became of a line.
const (
	LineImported  = "imported"
	LineUnchanged = "unchanged" // all of it was there
	LineDiffers   = "differs"   // what is there is otherwise, and stays so
	LineRefused   = "refused"
)

// An ImportResult is what became of one line.
type ImportResult struct {
	Status   string `json:"status"`             // one of those above
	Identity string `json:"identity,omitempty"` // <role>/<name>
	Detail   string `json:"detail,omitempty"`   // how it differs, or why it is refused
}

// Import puts devices on record, with identities that are pending until they enrol.
// Results come in the order of the lines. Doing it again is no error.
func (c *Client) Import(ctx context.Context, req ImportRequest) ([]ImportResult, error) {
	answer, err := call[struct {
		Results []ImportResult `json:"results"`
	}](ctx, c, http.MethodPost, "identities/import", nil, req)
	if err == nil && len(answer.Results) != len(req.Lines) {
		return nil, fmt.Errorf("the daemon answered for %d of %d lines", len(answer.Results), len(req.Lines))
	}
	return answer.Results, err
}
