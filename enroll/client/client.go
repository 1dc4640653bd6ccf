package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

// Limits of one call.
const (
	maxAnswer   = 64 << 10         // bytes of a body, and of the headers
	connectTime = 10 * time.Second // for the connection, and again for TLS
	callTime    = time.Minute      // for everything
)

// Config says which CA a [Client] speaks to, and as whom.
type Config struct {
	// URL is where the CA listens: https://host[:port], and nothing after it.
	URL string
	// Trust decides whether who answers there is the CA.
	Trust Trust
	// Certificate is the caller's own; nil before it has one. A Client uses the
	// same one for its whole life: make another Client after a renewal.
	Certificate *tls.Certificate
	// Heard, if set, is called with the CA's clock, to the second, for each answer: of
	// the CA, not of who else may answer before it is known.
	Heard func(time.Time)
	// Clock, if set, is the machine's own clock, wrong as it may be: the CA is told what it
	// says, and tells people if it is off (RFC 9110, Section 6.6.1). Nil: it is not told.
	Clock func() time.Time
	// DialContext makes connections; nil: a net.Dialer, through the proxy that the
	// environment names (HTTPS_PROXY), which sees only TLS.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Client speaks the native API to one CA. Its methods may be called
// concurrently; each is one request, never repeated. They return
//
//   - an [*api.Problem] if the CA refused, with the Retry-After that it gave,
//   - an error wrapping [ErrUnreachable] if no answer came,
//   - an error wrapping [ErrNotCA] if somebody else answered,
//
// and any other error if the answer was not one.
type Client struct {
	base string
	http *http.Client
	conf Config
}

// New returns a Client. It opens no connection yet.
func New(conf Config) (*Client, error) {
	if len(conf.Trust.Roots) == 0 {
		return nil, fmt.Errorf("no pinned root certificate to know the CA at %q by", conf.URL)
	}
	return newClient(conf, conf.Trust.TLSConfig(conf.Certificate))
}

func newClient(conf Config, tlsConf *tls.Config) (*Client, error) {
	u, err := url.Parse(conf.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the URL of a CA: want https://host:port", conf.URL)
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSClientConfig:        tlsConf,
		TLSHandshakeTimeout:    connectTime,
		MaxResponseHeaderBytes: maxAnswer,
		IdleConnTimeout:        callTime,
	}
	if conf.DialContext != nil {
		t.Proxy, t.DialContext = nil, conf.DialContext
	}
	return &Client{base: "https://" + u.Host, conf: conf, http: &http.Client{
		Transport: t,
		Timeout:   callTime,
		// A CA does not redirect; whoever does could lead a token astray.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close drops the connections that are kept for a next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A Request asks for a certificate.
type Request struct {
	// CSR is a PKCS#10 request in PEM. Its key must be a new one.
	CSR []byte
	// Since is the size of the newest log checkpoint that the caller holds, 0 for none.
	Since int64
	// Attestation says that the key is in a TPM; nil: it does not say so. It is good for
	// one try.
	Attestation *api.Attestation

	// The rest is for a first certificate.

	// Token is a join token; nil: none. What else a machine may show is the Client's
	// Certificate: the one that its maker gave it.
	Token *api.JoinToken
	// Role is what the caller wants to be, where nothing that it shows says so.
	Role string
	// Ask says that the caller would wait until a person approves it.
	Ask bool
}

// Enroll asks for a first certificate. The error is a [*PendingError] if a person
// has to approve that.
//
// After an error the caller repeats the very same request: within ten minutes
// the CA answers it with the same certificate, and takes another key with the
// same token for a theft.
func (c *Client) Enroll(ctx context.Context, r Request) (Issued, error) {
	authorization := ""
	if r.Token != nil {
		authorization = "Bearer " + r.Token.String()
	}
	return c.issue(ctx, api.PathEnroll, authorization, r)
}

// Renew asks for the certificate that follows the Client's own. Until that
// certificate was confirmed, the same request has the same answer; another key
// makes the CA see two holders of one certificate.
func (c *Client) Renew(ctx context.Context, r Request) (Issued, error) {
	return c.issue(ctx, api.PathRenew, "", r)
}

// RenewLate is [Client.Renew] for a certificate that ran out. The CA may admit that
// for a while; one that is still good it sends to Renew.
func (c *Client) RenewLate(ctx context.Context, r Request) (Issued, error) {
	return c.issue(ctx, api.PathRenewLate, "", r)
}

// Confirm tells the CA that the Client's certificate is in use, so that its
// parent has no business any more. Confirming twice is not an error.
func (c *Client) Confirm(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, api.PathConfirm, "", nil, nil)
}

// Checkpoint returns the newest signed checkpoint of the CA's log, with a proof
// that it extends the tree of size since (0: no proof). It is unverified: the
// CA's word, which a monitor checks. A CA that has none yet answers 404.
func (c *Client) Checkpoint(ctx context.Context, since int64) (api.Checkpoint, error) {
	var cp api.Checkpoint
	err := c.call(ctx, http.MethodGet, api.PathCheckpoint+"?since="+strconv.FormatInt(since, 10), "", nil, &cp)
	return cp, err
}
