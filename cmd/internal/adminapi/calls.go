package adminapi

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// CreateToken makes a join token.
func (c *Client) CreateToken(ctx context.Context, req TokenRequest) (NewToken, error) {
	return call[NewToken](ctx, c, http.MethodPost, "tokens", nil, req)
}

// Tokens lists tokens, the newest first.
func (c *Client) Tokens(ctx context.Context, f TokenFilter, at PageRequest) (Page[Token], error) {
	q := url.Values{}
	at.addTo(q)
	set(q, "role", f.Role)
	set(q, "name", f.Name)
	if f.Open {
		q.Set("open", "true")
	}
	return call[Page[Token]](ctx, c, http.MethodGet, "tokens", q, nil)
}

// RevokeToken makes sure that the token is not spent any more. Revoking twice
// is not an error.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	body, err := c.send(ctx, http.MethodDelete, "tokens/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return err
	}
	return body.Close()
}

// CreateIdentity puts an identity on record.
func (c *Client) CreateIdentity(ctx context.Context, req IdentityRequest) (Identity, error) {
	return call[Identity](ctx, c, http.MethodPost, "identities", nil, req)
}

// Identities lists identities.
func (c *Client) Identities(ctx context.Context, f IdentityFilter, at PageRequest) (Page[Identity], error) {
	q := url.Values{}
	at.addTo(q)
	set(q, "role", f.Role)
	set(q, "state", f.State)
	set(q, "owner", f.Owner)
	set(q, "search", f.Search)
	set(q, "doubt", f.Doubt)
	return call[Page[Identity]](ctx, c, http.MethodGet, "identities", q, nil)
}

// Identity returns one identity; path is <role>/<name>.
func (c *Client) Identity(ctx context.Context, path string) (Identity, error) {
	return call[Identity](ctx, c, http.MethodGet, identityPath(path), nil, nil)
}

// Suspend stops issuance to an identity; what it holds stays good.
func (c *Client) Suspend(ctx context.Context, path string) (Identity, error) {
	return c.move(ctx, path, "suspend")
}

// Resume lifts a suspension.
func (c *Client) Resume(ctx context.Context, path string) (Identity, error) {
	return c.move(ctx, path, "resume")
}

// AttestRequest says that a machine is there.
type AttestRequest struct {
	Owner string `json:"owner,omitempty"` // who answers for it from now on; empty: as before
}

// Attest records that an identity is still there.
func (c *Client) Attest(ctx context.Context, path string, req AttestRequest) (Identity, error) {
	return call[Identity](ctx, c, http.MethodPost, identityPath(path)+"/attest", nil, req)
}

// Retire ends an identity that is out of service, and frees its names.
func (c *Client) Retire(ctx context.Context, path string) (Identity, error) {
	return c.move(ctx, path, "retire")
}

func (c *Client) move(ctx context.Context, path, verb string) (Identity, error) {
	return call[Identity](ctx, c, http.MethodPost, identityPath(path)+"/"+verb, nil, nil)
}

// identityPath keeps the one slash of a <role>/<name> and escapes the rest, so
// that a name typed by a person cannot leave its place in the URL.
func identityPath(path string) string {
	escaped := &url.URL{Path: "identities/" + path}
	return escaped.EscapedPath()
}

// Certificates lists certificates.
func (c *Client) Certificates(ctx context.Context, f CertificateFilter, at PageRequest) (Page[Certificate], error) {
	q := url.Values{}
	at.addTo(q)
	set(q, "identity", f.Identity)
	if f.Live {
		q.Set("live", "true")
	}
	return call[Page[Certificate]](ctx, c, http.MethodGet, "certificates", q, nil)
}

// Certificate returns one certificate, with its PEM.
func (c *Client) Certificate(ctx context.Context, serial string) (Certificate, error) {
	return call[Certificate](ctx, c, http.MethodGet, "certificates/"+url.PathEscape(serial), nil, nil)
}

// Audit lists entries of the audit log, the newest first.
func (c *Client) Audit(ctx context.Context, f AuditFilter, at PageRequest) (Page[Entry], error) {
	q := url.Values{}
	at.addTo(q)
	set(q, "actor", f.Actor)
	set(q, "subject", f.Subject)
	set(q, "action", f.Action)
	setTime(q, "since", f.Since)
	setTime(q, "until", f.Until)
	return call[Page[Entry]](ctx, c, http.MethodGet, "audit", q, nil)
}

// Records lists the entries of the journals that guards shipped: journal after journal,
// each from its beginning. A page may be empty and not the last.
func (c *Client) Records(ctx context.Context, f RecordFilter, at PageRequest) (Page[JournalEntry], error) {
	q := url.Values{}
	at.addTo(q)
	set(q, "identity", f.Identity)
	set(q, "action", f.Action)
	setTime(q, "since", f.Since)
	setTime(q, "until", f.Until)
	return call[Page[JournalEntry]](ctx, c, http.MethodGet, "records", q, nil)
}

// ExportAudit copies an export of the audit log to w. An error may come after
// part of it has been written; the last line tells a whole export.
func (c *Client) ExportAudit(ctx context.Context, r ExportRange, w io.Writer) error {
	q := url.Values{}
	if r.From != 0 {
		q.Set("from", strconv.FormatInt(r.From, 10))
	}
	if r.To != 0 {
		q.Set("to", strconv.FormatInt(r.To, 10))
	}
	body, err := c.send(ctx, http.MethodGet, "audit/export", q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

// Status returns the daemon at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "status", nil, nil)
}

// Policy returns the policy in force.
func (c *Client) Policy(ctx context.Context) (Policy, error) {
	return call[Policy](ctx, c, http.MethodGet, "policy", nil, nil)
}

// SetPolicy puts a policy in force.
func (c *Client) SetPolicy(ctx context.Context, req PolicyRequest) (Policy, error) {
	return call[Policy](ctx, c, http.MethodPut, "policy", nil, req)
}

func setTime(q url.Values, key string, t time.Time) {
	if !t.IsZero() {
		q.Set(key, t.UTC().Format(time.RFC3339Nano))
	}
}
