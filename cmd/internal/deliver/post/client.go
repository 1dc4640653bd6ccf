package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver/wire"
)

// within is how long a receiver has for one request, from the connection to the last byte
// of its answer: one that drips takes no longer.
const within = 30 * time.Second

// Config says where to and as whom.
type Config struct {
	// URL is where the receiver listens: https, or http where it is this host by its
	// loopback address. Required. Its path may be a secret: no error repeats it.
	URL string
	// TLS is how the receiver is known, and how it knows us.
	TLS wire.TLS
	// TokenFile has a bearer token (RFC 6750), read for each request. Empty: none.
	TokenFile string
	// MaxAnswer is how many bytes of an answer are read. 0: 64 KiB.
	MaxAnswer int64
}

// A Client posts to one receiver. It is for one goroutine.
type Client struct {
	conf Config
	http *http.Client
}

// New returns a Client. It opens no connection yet.
func New(c Config) (*Client, error) {
	if err := Check(c.URL); err != nil {
		return nil, err
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = 64 << 10
	}
	return &Client{c, wire.Client(c.TLS, within)}, nil
}

// Check says what is wrong with a receiver's URL, without repeating it.
func Check(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("it is not a URL such as https://siem.hospital.example/in")
	case u.User != nil:
		return errors.New("a URL must not hold a password: everybody sees it")
	case u.Fragment != "":
		return errors.New("a URL with a fragment is none that can be asked for")
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("the URL must begin with https:// unless it is of this host, by its address 127.0.0.1 or ::1")
	}
	return errors.New("the URL must begin with https://")
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Place returns the scheme and the host of a URL: what may be said of where something
// goes.
func Place(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// An Answer is what a receiver said.
type Answer struct {
	Status int
	Body   []byte // MaxAnswer bytes at most
	Cut    bool   // there was more
}

// Post sends a body to the URL, or to a path below it, and returns the answer, whatever it
// is. An error is that there is none; it says neither the path nor a secret.
func (c *Client) Post(ctx context.Context, path string, header http.Header, body []byte) (*Answer, error) {
	target, err := url.Parse(c.conf.URL)
	if err != nil {
		return nil, errors.New("not a URL") // New has looked
	}
	if path != "" {
		target = target.JoinPath(path)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("User-Agent", "betonica")
	if c.conf.TokenFile != "" {
		token, err := wire.Secret(c.conf.TokenFile)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+string(token))
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, bare(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, c.conf.MaxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", bare(err))
	}
	a := &Answer{Status: resp.StatusCode, Body: text}
	if int64(len(text)) > c.conf.MaxAnswer {
		a.Body, a.Cut = text[:c.conf.MaxAnswer], true
	}
	return a, nil
}

// bare is an error without the URL, which may hold a secret.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return fmt.Errorf("the receiver takes too long: %w", err)
	}
	return err
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
