package adminapi

import (
	"context"
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
	Identity string   `json:"identity"`          // <role>/<name>
	Serials  []string `json:"serials"`           // certificates that were live until now
	Tokens   []string `json:"tokens"`            // unused join tokens, by their ids
	Accounts []string `json:"accounts"`          // ACME accounts that are ended, by their ids
	Names    []string `json:"names"`             // DNS names and addresses that are free again
	Number   int64    `json:"number"`            // CRL number from which on the lists say so; 0: no certificate fell
	Already  bool     `json:"already,omitempty"` // the certificate was revoked before
}

// Revoke ends an identity, or one certificate. When it returns, that is on disk
// and in the daemon's OCSP answers; lists follow within milliseconds.
func (c *Client) Revoke(ctx context.Context, req RevokeRequest) (Fallen, error) {
	return call[Fallen](ctx, c, http.MethodPost, "revocations", nil, req)
}

// Cut suspends an identity and revokes what it holds.
func (c *Client) Cut(ctx context.Context, path, reason string) (Fallen, error) {
	return call[Fallen](ctx, c, http.MethodPost, identityPath(path)+"/cut", nil, RevokeRequest{Reason: reason})
}
