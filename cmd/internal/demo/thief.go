package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// A thief has copied a machine's key and certificate, and holds a TLS session with
// the gateway that it may resume without showing either again. Nothing in it is
// ours.
type thief struct{ conf *tls.Config }

// newThief copies what is in a machine's directory. host is a DNS name that the
// gateway's certificate has.
func newThief(dir, host string) (*thief, error) {
	at := func(name string) string { return filepath.Join(dir, "current", name) }
	pair, err := tls.LoadX509KeyPair(at("cert.pem"), at("key.pem"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(at("roots.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", at("roots.pem"))
	}
	return &thief{conf: &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: host, ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}}, nil
}

// A visit is what came of one connection.
type visit struct {
	resumed bool
	status  int   // of the answer
	ended   error // without one
}

func (v visit) String() string {
	what := fmt.Sprintf("answer %d", v.status)
	if v.ended != nil {
		what = v.ended.Error()
	}
	if v.resumed {
		return what + ", on a resumed session"
	}
	return what + ", after a full handshake"
}

// visit connects and makes one call. That the client's handshake ends well says
// nothing in TLS 1.3, where the server has not judged by then.
func (t *thief) visit(ctx context.Context, address string) (v visit, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return v, err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	c := tls.Client(raw, t.conf)
	if v.ended = c.HandshakeContext(ctx); v.ended != nil {
		return v, nil
	}
	v.resumed = c.ConnectionState().DidResume
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+t.conf.ServerName+pathReading, strings.NewReader("0 ml/h"))
	if err != nil {
		return v, err
	}
	if v.ended = req.Write(c); v.ended != nil {
		return v, nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		v.ended = err
		return v, nil
	}
	v.status = resp.StatusCode
	return v, resp.Body.Close()
}
