package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	reachFor       = 3 * time.Second  // to reach a listener on this host
	mirrorPatience = 30 * time.Second // with published files
)

// listeners tells whether each address of the daemon can be reached on this host, and
// whether what answers there is the daemon.
func listeners(ctx context.Context, c *Case) []Finding {
	switch {
	case c.Daemon == nil:
		return []Finding{skip("no daemon answers")}
	case c.Keys == nil || c.Keys.Root == nil:
		return []Finding{skip("what answers cannot be judged without the root's certificate")}
	}
	const do = "check that nothing else has the address, and that no firewall keeps this host from itself"
	var found []Finding
	n := 0
	for _, s := range c.Daemon.samples("betonica_listener_info") {
		name, address := s.labels["listener"], local(s.labels["address"])
		var err error
		switch name {
		case "https", "est":
			err = handshake(ctx, address, c)
		case "http":
			err = answers(ctx, "http://"+address+"/chain.crl.pem")
		case "ops":
			err = answers(ctx, "http://"+address+"/livez")
		default:
			continue
		}
		n++
		if err != nil {
			found = append(found, fail(do, "%s at %s: %v", name, address, err))
		}
	}
	if n == 0 {
		return []Finding{skip("the daemon does not tell where it listens")}
	}
	return orOK(found, "%s can be reached on this host", counted(n, "listener"))
}

// local returns an address of this host that reaches a listener.
func local(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		if ip != nil && ip.To4() == nil {
			return net.JoinHostPort("::1", port)
		}
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// handshake holds a TLS server to the CA's own root, under the first of the names that
// machines know it by.
func handshake(ctx context.Context, address string, c *Case) error {
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	roots := x509.NewCertPool()
	roots.AddCert(c.Keys.Root)
	dialer := tls.Dialer{Config: &tls.Config{
		RootCAs: roots, ServerName: c.Config.Server.Names[0].String(), MinVersion: tls.VersionTLS13, Time: c.Now,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// answers returns an error unless a URL answers with 200.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	status, body, err := get(ctx, &http.Client{Transport: transport}, url)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		err = errors.New(http.StatusText(status))
	}
	return errors.Join(err, body.Close())
}
