package main_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A request is a certificate request and its key.
type request struct {
	key *ecdsa.PrivateKey
	csr []byte // DER
}

// newRequest names nobody: who it is for is on record.
func newRequest(t testing.TB) request {
	r, err := makeRequest()
	require.NoError(t, err)
	return r
}

func makeRequest() (request, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return request{}, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	return request{key, csr}, err
}

// A conn is one kept-alive connection to the daemon. It writes HTTP/1.1 by
// hand: beside a server that is being measured, net/http's client takes as much
// of the processor as the server does.
type conn struct {
	*tls.Conn
	in  *bufio.Reader
	out []byte
}

// dial opens a connection to a server that roots vouch for, with the caller's
// certificate if it has one.
func dial(address string, roots *x509.CertPool, own ...tls.Certificate) (*conn, error) {
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: own})
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReader(c)}, nil
}

// post sends a body and returns the answer. bearer may be empty.
func (c *conn) post(path, bearer string, body []byte) (status int, answer []byte, err error) {
	header := ""
	if bearer != "" {
		header = "Authorization: Bearer " + bearer + "\r\n"
	}
	resp, answer, err := c.send(path, header, body)
	if err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, answer, nil
}

// send sends a body with header lines that each end in CR LF, and returns the
// answer, its body read.
func (c *conn) send(path, header string, body []byte) (*http.Response, []byte, error) {
	c.out = append(c.out[:0], "POST "+path+" HTTP/1.1\r\nHost: localhost\r\n"...)
	c.out = append(c.out, header...)
	c.out = append(c.out, "Content-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if _, err := c.Write(c.out); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// certificate pairs the PEM chain that the daemon answered with its key.
func (r request) certificate(chain []byte) (tls.Certificate, error) {
	pair := tls.Certificate{PrivateKey: r.key}
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		pair.Certificate = append(pair.Certificate, block.Bytes)
	}
	if len(pair.Certificate) == 0 {
		return pair, fmt.Errorf("not a chain: %q", chain)
	}
	var err error
	pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	return pair, err
}
