package validate

import (
	"context"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// maxRedirects is how many redirects are followed (RFC 8555, Section 8.3 leaves
	// it open).
	maxRedirects = 10

	// maxBody is how much of a body is read, in bytes. A key authorization has less
	// than 100.
	maxBody = 1 << 10
)

// http01 fetches the key authorization from the host itself (RFC 8555, Section
// 8.3).
func (v *Validator) http01(ctx context.Context, c Challenge, s subject) error {
	u := &url.URL{Scheme: "http", Host: bracketed(s.host()), Path: "/.well-known/acme-challenge/" + c.Token}
	for range maxRedirects + 1 {
		next, err := v.fetch(ctx, u, c.KeyAuthorization)
		if next == nil {
			return err
		}
		u = next
	}
	return &Error{Kind: KindConnection, Detail: "more than " + strconv.Itoa(maxRedirects) + " redirects"}
}

// fetch gets u. It returns where u redirects to, or else the verdict.
func (v *Validator) fetch(ctx context.Context, u *url.URL, want string) (next *url.URL, err error) {
	port, err := v.portOf(u)
	if err != nil {
		return nil, err
	}
	conn, err := v.connect(ctx, u.Hostname(), port)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	return ask(ctx, conn, u, want)
}

// ask gets u over conn, and judges the answer.
func ask(ctx context.Context, conn net.Conn, u *url.URL, want string) (next *url.URL, err error) {
	resp, err := get(ctx, conn, u)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return nil, holds(resp.Body, want)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return target(u, resp.Header.Get("Location"))
	default:
		return nil, incorrect("the answer's status is " + strconv.Itoa(resp.StatusCode) + ", not 200")
	}
}

// portOf returns the port for u: the configured one of its scheme, which is what
// a URL without a port means as well.
func (v *Validator) portOf(u *url.URL) (uint16, error) {
	var port uint16
	switch u.Scheme {
	case "http":
		port = v.httpPort
	case "https":
		port = v.tlsPort
	default:
		return 0, &Error{Kind: KindConnection, Detail: "a redirect to a scheme that is neither http nor https"}
	}
	if p := u.Port(); p != "" && p != strconv.Itoa(int(port)) {
		return 0, &Error{Kind: KindConnection, Detail: "a redirect to a port that validation does not connect to"}
	}
	return port, nil
}

// target resolves a Location. Where it may lead is judged when it is followed.
func target(from *url.URL, location string) (*url.URL, error) {
	u, err := from.Parse(location)
	if err != nil || location == "" || u.Hostname() == "" {
		return nil, incorrect("a redirect to nowhere")
	}
	u.User = nil // credentials of the redirecting host's choice are not presented
	return u, nil
}

// holds reports whether the body is the key authorization, white space at its end
// aside.
func holds(body io.Reader, want string) error {
	got, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return connectionError(err)
	}
	if len(got) > maxBody {
		return incorrect("the answer is longer than a key authorization")
	}
	if subtle.ConstantTimeCompare([]byte(strings.TrimRight(string(got), " \t\r\n")), []byte(want)) != 1 {
		return incorrect("the answer is not the key authorization")
	}
	return nil
}

// bracketed returns host as it stands in a URL.
func bracketed(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "[" + host + "]"
	}
	return host
}
