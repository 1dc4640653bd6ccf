package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

// ErrUnreachable reports that no answer came from the CA: the network, or the
// CA, is down, or the URL is wrong. Trying again may help.
var ErrUnreachable = errors.New("the CA cannot be reached")

// maxRetryAfter bounds what a Retry-After may ask for.
const maxRetryAfter = 24 * time.Hour

// call sends in as JSON (nil: no body) and decodes the answer into out (nil:
// none is expected). Members of the answer that we do not know are ignored: the
// CA may be newer.
func (c *Client) call(ctx context.Context, method, path, authorization string, in, out any) error {
	answer, resp, err := c.exchange(ctx, method, path, authorization, in)
	if err != nil || out == nil {
		return err
	}
	return decode(answer, resp, out)
}

func decode(answer []byte, resp *http.Response, out any) error {
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the CA's answer to %s: %w", resp.Request.URL.Path, err)
	}
	return nil
}

// exchange is [Client.call] up to the body of a good answer.
func (c *Client) exchange(ctx context.Context, method, path, authorization string, in any) ([]byte, *http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", api.MediaJSON)
	}
	req.Header.Set("Accept", api.MediaJSON)
	if c.conf.Clock != nil {
		req.Header.Set("Date", c.conf.Clock().UTC().Format(http.TimeFormat))
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return c.do(req)
}

// do sends req and returns the body of a good answer.
func (c *Client) do(req *http.Request) ([]byte, *http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, ErrNotCA) {
			return nil, nil, fmt.Errorf("%s: %w", c.base, unwrapURL(err))
		}
		return nil, nil, fmt.Errorf("%s: %w: %w", c.base, ErrUnreachable, unwrapURL(err))
	}
	defer resp.Body.Close()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && c.conf.Heard != nil {
		c.conf.Heard(at)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: reading the answer: %w", c.base, ErrUnreachable, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, nil, problem(resp, body)
	}
	if len(body) > maxAnswer {
		return nil, nil, fmt.Errorf("%s: the answer is larger than %d bytes", c.base, maxAnswer)
	}
	return body, resp, nil
}

// unwrapURL leaves out the method and URL that net/http puts before an error.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// problem makes an error of an answer that is none, also where a proxy gave it.
func problem(resp *http.Response, body []byte) *api.Problem {
	p := &api.Problem{}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == api.MediaProblem {
		if json.Unmarshal(body, p) != nil {
			p = &api.Problem{}
		}
	}
	p.Status = resp.StatusCode // what the protocol said, whatever the document claims
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	p.RetryAfter = retryAfter(resp.Header)
	return p
}

// retryAfter reads the header of that name: seconds, or a date, which counts
// from the server's own clock (RFC 9110, Section 10.2.3). It is 0 without one,
// or with one that cannot be read.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(s)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
