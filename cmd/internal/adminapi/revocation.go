package adminapi

import (
	"context"
	"fmt"
	"net/http"
)

// A RevokeRequest says what to revoke: an identity by its path, or a certificate.
type RevokeRequest struct {
	Identity string `json:"identity,omitempty"` // <role>/<name>
	Serial   string `json:"serial,omitempty"`   // 32 hexadecimal digits
	Reason   string `json:"reason,omitempty"`   // as RFC 5280 names it; empty: unspecified
	DryRun   bool   `json:"dry_run,omitempty"`  // only say what would fall
}

// Fallen is what a revocation took, or would take.
type Fallen struct {
	Identity string   `json:"identity"`           // <role>/<name>
	Serials  []string `json:"serials"`            // certificates that were live until now
	Tokens   []string `json:"tokens"`             // unused join tokens, by their ids
	Accounts []string `json:"accounts"`           // ACME accounts that are ended, by their ids
	Requests []string `json:"requests,omitempty"` // requests for approval that are denied, by their ids
	Names    []string `json:"names"`              // DNS names and addresses that are free again
	Number   int64    `json:"number"`             // CRL number from which on the lists say so; 0: no certificate fell
	Already  bool     `json:"already,omitempty"`  // the certificate was revoked before
}

// Revoke ends an identity, or one certificate. When it returns, that is on disk
// and in the daemon's OCSP answers; lists follow within milliseconds.
func (c *Client) Revoke(ctx context.Context, req RevokeRequest) (Fallen, error) {
	return call[Fallen](ctx, c, http.MethodPost, "revocations", nil, req)
}

// MaxRevocations is how many can be revoked with one request.
const MaxRevocations = 500

// A RevocationItem is one of many: an identity by its path, or a certificate.
type RevocationItem struct {
	Identity string `json:"identity,omitempty"` // <role>/<name>
	Serial   string `json:"serial,omitempty"`   // 32 hexadecimal digits
	Reason   string `json:"reason,omitempty"`   // as RFC 5280 names it; empty: unspecified
}

// RevokeManyRequest says what to revoke: 1 to [MaxRevocations] items.
type RevokeManyRequest struct {
	Items  []RevocationItem `json:"items"`
	DryRun bool             `json:"dry_run,omitempty"` // only say what would fall
}

// What became of an item.
const (
	ItemRevoked = "revoked"
	ItemAlready = "already" // revoked before, and nothing had come since
	ItemUnknown = "unknown" // not on record
	ItemFailed  = "failed"
)

// A RevocationResult is what became of one item.
type RevocationResult struct {
	Status       string `json:"status"`           // one of those above
	Identity     string `json:"identity"`         // whose it was; empty if that is not known
	Certificates int    `json:"certificates"`     // that fell
	Number       int64  `json:"number"`           // CRL number, as in [Fallen]
	Detail       string `json:"detail,omitempty"` // why it failed
}

// RevokeMany ends many identities and certificates. Results come in the order of the
// items: what one lacks does not keep the others from being revoked, and none is
// revoked in part. Doing it again is no error.
func (c *Client) RevokeMany(ctx context.Context, req RevokeManyRequest) ([]RevocationResult, error) {
	answer, err := call[struct {
		Results []RevocationResult `json:"results"`
	}](ctx, c, http.MethodPost, "revocations/batch", nil, req)
	if err == nil && len(answer.Results) != len(req.Items) {
		return nil, fmt.Errorf("the daemon answered for %d of %d items", len(answer.Results), len(req.Items))
	}
	return answer.Results, err
}

// Cut suspends an identity and revokes what it holds.
func (c *Client) Cut(ctx context.Context, path, reason string) (Fallen, error) {
	return call[Fallen](ctx, c, http.MethodPost, identityPath(path)+"/cut", nil, RevokeRequest{Reason: reason})
}
