package validate

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
)

const (
	// maxAnswer bounds all that is read of a connection above TLS, in bytes: status,
	// header and body.
	maxAnswer = 32 << 10

	// maxInformational is how many answers of class 1xx may come first.
	maxInformational = 5
)

// get sends a GET for u over conn, and returns the answer. It speaks HTTP/1.1 by
// hand, one request a connection: net/http's transport brings proxies, pools,
// goroutines and an unbounded header, none of which has business here.
//
// Over https nothing of the server's certificate is verified: the challenge is
// about control of port 80, which sent us here.
func get(ctx context.Context, conn net.Conn, u *url.URL) (*http.Response, error) {
	if u.Scheme == "https" {
		c := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, handshakeError(err)
		}
		conn = c
	}
	req := &http.Request{
		Method: http.MethodGet,
		URL:    u,
		Host:   u.Host,
		Header: http.Header{"User-Agent": {"betonica"}, "Accept": {"*/*"}},
		Close:  true,
	}
	if err := req.Write(conn); err != nil {
		return nil, connectionError(err)
	}
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	for range maxInformational + 1 {
		resp, err := http.ReadResponse(r, req)
		if err != nil && timedOut(err) {
			return nil, connectionError(err)
		}
		if err != nil {
			return nil, &Error{Kind: KindConnection, Detail: "there was no answer, or it is not HTTP", Err: err}
		}
		if resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, incorrect("too many informational answers")
}
