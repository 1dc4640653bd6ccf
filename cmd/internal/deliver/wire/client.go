package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Bounds of an HTTP exchange.
const (
	dialWithin = 10 * time.Second // TLS included
	maxHeader  = 64 << 10         // bytes of an answer's
)

// Client returns a client for one receiver, which takes at most so long for an exchange. An
// answer that redirects is returned as it is.
func Client(t TLS, within time.Duration) *http.Client {
	return &http.Client{
		Timeout:       within,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialTLSContext:         t.dialer,
			DialContext:            (&net.Dialer{Timeout: dialWithin}).DialContext,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
}

// dialer connects by TLS, with what the files hold now.
func (t TLS) dialer(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c, err := t.Config(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	return (&tls.Dialer{Config: c}).DialContext(ctx, network, address)
}
