package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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

	// Relays are the bases of others that serve the same lists, such as
	// [Peer.Relay] of a neighbour, "http://gw-1.hospital.example:8081". They are
	// tried in turn, before URL: each until it fails, or has nothing new for three
	// heartbeats. They need no trust: all that one can do is withhold.
	Relays []string

	// OCSP is the URL of the responder. Default: URL with /ocsp behind it. It must
	// be set where URL is a relay's, which is no responder.
	OCSP string

	// Report is the base of the CA's HTTPS listener,
	// "https://ca.hospital.example:8443", that is told which list this machine
	// enforces. Default: nobody is told.
	Report string

	// Staple fetches OCSP answers about the machine's own certificate, and shows
	// them in each handshake: the other end, if it cannot reach the CA itself, may
	// go by that.
	Staple bool

	// State is a directory for the lists, made with mode 0700 if it is not there.
	// What it holds is verified anew at each start, so that it need not be secret;
	// but who can delete it takes the protection against old lists after a restart.
	// Required.
	State string

	// MaxAge is how old a list may be before OCSP is asked instead: the longest that
	// a revocation can stay unknown to a peer that is cut off from the CA. Default
	// 4 h, at most a year; never beyond the list's nextUpdate.
	MaxAge time.Duration

	// MaxList is how long a list may be, in bytes; a longer one is not read. Default
	// 64 MiB, which is 1.5 million entries.
	MaxList int64

	// Heartbeat is how often the CA signs a delta when nothing happens. Three missed
	// ones raise an alarm. Default 10 s.
	Heartbeat time.Duration

	// IDOnly lets a client take any server that Allow names, whatever its DNS name:
	// for peers that are known by their SPIFFE ID alone. By default the certificate
	// must also be for the host that was dialled.
	IDOnly bool

	// Events, if not nil, gets what an operator should know. It may be called from
	// several goroutines at once, and must not block: revocations wait for it.
	Events func(Event)

	// Log gets the same as lines. Default: slog.Default().
	Log *slog.Logger

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// HTTP fetches lists and asks OCSP. What it fetches is signed, so that plain
	// HTTP is safe. It must have no Timeout, which would end streams. Default: one
	// of its own, without proxy.
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
	if c.MaxList == 0 {
		c.MaxList = 64 << 20
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Second
	}
	if c.MaxAge > 366*24*time.Hour {
		return c, allow.Peers{}, errors.New("peer: MaxAge must be a year at most")
	}
	if c.MaxAge < 0 || c.MaxList < 0 || c.Heartbeat < 0 {
		return c, allow.Peers{}, errors.New("peer: MaxAge, MaxList and Heartbeat must not be negative")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		}
	}
	peers, err := allow.ParsePeers(c.Allow...)
	if err != nil {
		return c, peers, fmt.Errorf("peer: %w", err)
	}
	if err := c.normalURLs(); err != nil {
		return c, peers, fmt.Errorf("peer: %w", err)
	}
	return c, peers, nil
}
