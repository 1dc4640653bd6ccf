package adminapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Client speaks to one daemon. Its methods may be called concurrently; they
// return a [*Problem] if the daemon said no, and an error wrapping
// [ErrUnreachable] if it said nothing.
type Client struct {
	http *http.Client
	base string
}

// Unix returns a Client of the daemon whose admin socket is at path. The daemon
// knows its caller by the uid.
func Unix(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return newClient("http://betonica", &http.Transport{DialContext: dial})
}

// New returns a Client of the daemon at base, https://host:port. conf holds the
// caller's own certificate, and decides whether the server is the CA.
func New(base string, conf *tls.Config) *Client {
	return newClient(strings.TrimSuffix(base, "/"), &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true})
}

func newClient(base string, t *http.Transport) *Client {
	t.ResponseHeaderTimeout = 30 * time.Second
	t.IdleConnTimeout = 30 * time.Second
	return &Client{base: base, http: &http.Client{
		Transport: t,
		// The daemon does not redirect; a path that it would have to clean is wrong.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends in as JSON (nil: no body) and decodes the answer.
func call[T any](ctx context.Context, c *Client, method, path string, q url.Values, in any) (T, error) {
	var out T
	body, err := c.send(ctx, method, path, q, in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the daemon's answer to %s %s: %w", method, path, err)
	}
	return out, nil
}

// send returns the body of a good answer, for the caller to close.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	u := c.base + Prefix + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp.Body, nil
}

// readProblem makes an error of an answer that is none, also where something
// other than the daemon gave it.
func readProblem(resp *http.Response) error {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" {
		if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(p); err != nil {
			p = &Problem{}
		}
	}
	p.Status = resp.StatusCode
	if p.Title == "" {
		p.Title = resp.Status
	}
	return p
}
