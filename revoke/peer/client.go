package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

var errPlain = errors.New("only https goes through a Peer")

// Client returns the configuration of a client that presents the machine's
// certificate and judges the server's, which must be for host: a DNS name or an
// address, not looked at with [Config.IDOnly]. It judges when a connection is
// made; only those of [Peer.Dial] and [Peer.HTTPClient] are cut later.
func (p *Peer) Client(host string) *tls.Config { return p.client(host, p.conf.IDOnly, nil, nil) }

func (p *Peer) client(host string, idOnly bool, also *allow.Peers, met meet) *tls.Config {
	name := host
	if idOnly {
		name = ""
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: host,
		NextProtos: []string{"h2", "http/1.1"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return p.certificate(), nil
		},
		// No session is resumed: it would show the certificates of when it began, though
		// both ends may have renewed since, and those have run out or been revoked.
		ClientSessionCache: nil,
		InsecureSkipVerify: true, // VerifyConnection does it all
		VerifyConnection: func(cs tls.ConnectionState) error {
			return p.verify(context.Background(), cs, x509.ExtKeyUsageServerAuth, name, also, met)
		},
	}
}

// Dial connects to a server by TLS. The connection is cut when the server is
// revoked.
func (p *Peer) Dial(ctx context.Context, network, address string) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return p.dial(ctx, network, address, func(met meet) *tls.Config { return p.client(host, p.conf.IDOnly, nil, met) })
}

// An Expectation says of one connection whom it may reach.
type Expectation struct {
	// Allow must name who is there; Config.Allow must, too. The zero Peers let nobody
	// be there.
	Allow allow.Peers

	// Name is what the certificate must be for. Default: the host that is dialled.
	Name string

	// IDOnly is as in [Config], for this connection.
	IDOnly bool

	// NextProtos is what is offered by ALPN. Default: nothing.
	NextProtos []string

	// MinVersion is the oldest version of TLS that is spoken, and CipherSuites are those of
	// TLS 1.2, if it is that. Default: TLS 1.3.
	MinVersion   uint16
	CipherSuites []uint16
}

// DialExpecting is [Peer.Dial] for somebody in particular.
func (p *Peer) DialExpecting(ctx context.Context, network, address string, e Expectation) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if e.Name != "" {
		host = e.Name
	}
	return p.dial(ctx, network, address, func(met meet) *tls.Config {
		conf := p.client(host, e.IDOnly, &e.Allow, met)
		conf.NextProtos = e.NextProtos
		if e.MinVersion != 0 {
			conf.MinVersion, conf.CipherSuites = e.MinVersion, e.CipherSuites
		}
		return conf
	})
}

// dial makes a connection that is in the table once its other end is met.
func (p *Peer) dial(ctx context.Context, network, address string, conf func(meet) *tls.Config) (*tls.Conn, error) {
	dialer := net.Dialer{Timeout: 30 * time.Second}
	raw, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, table: &p.live}
	secure := tls.Client(c, conf(c.met))
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}

// HTTPClient returns a client whose connections are made by [Peer.Dial], for
// https URLs. It uses no proxy. Its CloseIdleConnections ends what is kept alive.
func (p *Peer) HTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return p.Dial(ctx, network, address)
		},
		DialContext:         refusePlain,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
	}}
}

// refusePlain keeps what is to be judged from going out unjudged.
func refusePlain(context.Context, string, string) (net.Conn, error) {
	return nil, &RefusedError{Err: errPlain}
}
