package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

// A Source is who this machine is, and by which roots it judges others. It is
// asked anew for each connection, so that both may change. The Agent of package
// enroll/agent is one. Its methods must be usable concurrently.
type Source interface {
	// Certificate returns the machine's certificate with its key, and the
	// intermediate that issued it behind it. It is never nil.
	Certificate() *tls.Certificate
	// Roots returns the trust anchors. The pool is not changed.
	Roots() *x509.CertPool
}

// Config is what a [Peer] is made of.
type Config struct {
	// Source is this machine's own identity. Required.
	Source Source

	// Allow names who may be on the other end: patterns of SPIFFE IDs, such as
	// "spiffe://hospital.example/gateway/*" (see package allow). Nobody else may.
	// Required.
	Allow []string

	// URL is the base of the CA's HTTP listener, "http://ca.hospital.example:8080".
	// Default: what the certificate's own CRL distribution point says.
	URL string

	// State is a directory for the lists, made with mode 0700 if it is not there.
	// What it holds is verified anew at each start, so that it need not be secret;
	// but who can delete it takes the protection against old lists after a restart.
	// Required.
	State string

	// MaxAge is how old a list may be before OCSP is asked instead: the longest that
	// a revocation can stay unknown to a peer that is cut off from the CA. Default
	// 4 h; never beyond the list's nextUpdate.
	MaxAge time.Duration

	// Heartbeat is how often the CA signs a delta when nothing happens. Three missed
	// ones raise an alarm. Default 10 s.
	Heartbeat time.Duration

	// IDOnly lets a client take any server that Allow names, whatever its DNS name:
	// for peers that are known by their SPIFFE ID alone. By default the certificate
	// must also be for the host that was dialled.
	IDOnly bool

	// Events, if not nil, gets what an operator should know. It must not block.
	Events func(Event)

	// Log gets the same as lines. Default: slog.Default().
	Log *slog.Logger

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// HTTP fetches lists and asks OCSP. What it fetches is signed, so that plain
	// HTTP is safe. Default: one of its own, without proxy.
	HTTP *http.Client
}

// normal returns the configuration with its defaults.
func (c Config) normal() (Config, allow.Peers, error) {
	if c.Source == nil || c.State == "" {
		return c, allow.Peers{}, errors.New("peer: Source and State are required")
	}
	if c.MaxAge == 0 {
		c.MaxAge = 4 * time.Hour
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Second
	}
	if c.MaxAge < 0 || c.Heartbeat < 0 {
		return c, allow.Peers{}, errors.New("peer: MaxAge and Heartbeat must not be negative")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 10 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		}
	}
	peers, err := allow.ParsePeers(c.Allow...)
	if err != nil {
		return c, peers, fmt.Errorf("peer: %w", err)
	}
	if c.URL == "" {
		if c.URL, err = distributionPoint(c.Source.Certificate()); err != nil {
			return c, peers, fmt.Errorf("peer: %w", err)
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return c, peers, fmt.Errorf("peer: URL %q is not of the form http://HOST[:PORT]", c.URL)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	return c, peers, nil
}

// distributionPoint returns the base of the URL at which the certificate says that
// its issuer's list is.
func distributionPoint(cert *tls.Certificate) (string, error) {
	leaf, err := leafOf(cert)
	if err != nil {
		return "", err
	}
	for _, point := range leaf.CRLDistributionPoints {
		if base, _, ok := strings.Cut(point, "/crl/"); ok {
			return base, nil
		}
	}
	return "", errors.New("the machine's certificate names no CRL distribution point of ours: set URL")
}

func leafOf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert == nil || len(cert.Certificate) == 0 {
		return nil, errors.New("the machine has no certificate")
	}
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	return x509.ParseCertificate(cert.Certificate[0])
}
