package validate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// totalTimeout bounds a validation with all its lookups, addresses and redirects.
	totalTimeout = 20 * time.Second

	// connTimeout bounds one connection, from the first packet to the last byte
	// read, and, apart from it, one lookup.
	connTimeout = 10 * time.Second
)

// Config says where challenges are looked for. The zero value is the one of
// RFC 8555 on an open network.
type Config struct {
	// HTTPPort is where http-01 asks, and where redirects to http may lead; 0 means
	// 80. Another port is for tests, and for networks where something forwards it:
	// whoever may listen there gets certificates for that host.
	HTTPPort int

	// TLSALPNPort is where tls-alpn-01 asks, and where redirects to https may lead;
	// 0 means 443. The same danger.
	TLSALPNPort int

	// Resolver is the host:port of the recursive resolver that is asked for
	// addresses and TXT records, over UDP and TCP; "" means the system's. It is
	// believed: it, and the way to it, decide who gets certificates. It is not held
	// against AllowNetworks. The host's own /etc/hosts comes first for addresses.
	Resolver string

	// AllowNetworks is where a validation may connect to. Empty means anywhere but
	// loopback, link-local, multicast, unspecified and reserved addresses: the whole
	// inside of the network, then. If it is not empty, only what it lists is
	// allowed, loopback and link-local included if they are listed.
	AllowNetworks []netip.Prefix
}

// A Validator validates challenges. It holds no state beside its configuration,
// and any number of goroutines may use it.
type Validator struct {
	httpPort, tlsPort         uint16
	resolver                  *net.Resolver
	allow                     []netip.Prefix
	total, conn, lookup, dial time.Duration
}

// New returns a Validator, or says what is wrong with the configuration. It
// connects to nothing.
func New(c Config) (*Validator, error) {
	v := &Validator{
		resolver: net.DefaultResolver,
		allow:    slices.Clone(c.AllowNetworks),
		total:    totalTimeout, conn: connTimeout, lookup: connTimeout, dial: dialTimeout,
	}
	var err error
	if v.httpPort, err = port(c.HTTPPort, 80); err != nil {
		return nil, fmt.Errorf("the port for http-01: %w", err)
	}
	if v.tlsPort, err = port(c.TLSALPNPort, 443); err != nil {
		return nil, fmt.Errorf("the port for tls-alpn-01: %w", err)
	}
	for i, p := range v.allow {
		if !p.IsValid() || p.Addr().Is4In6() {
			return nil, fmt.Errorf("allowed network %d: %q is not an IPv4 or IPv6 prefix", i+1, p)
		}
	}
	if c.Resolver != "" {
		if v.resolver, err = resolver(c.Resolver); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Validate looks for the answer to a challenge, once and now. It returns nil if
// the answer is there, and an [*Error] if it is not. It takes at most 20 seconds.
// An error of another type says that nothing was learnt: ctx has ended, or c is
// no challenge (an unknown type, or a type that cannot show such an identifier).
func (v *Validator) Validate(ctx context.Context, c Challenge) error {
	s, err := parseSubject(c)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, v.total)
	defer cancel()
	switch c.Type {
	case HTTP01:
		err = v.http01(bounded, c, s)
	case DNS01:
		err = v.dns01(bounded, c, s)
	case TLSALPN01:
		err = v.tlsALPN01(bounded, c, s)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// port returns p, or the default for 0.
func port(p, def int) (uint16, error) {
	if p == 0 {
		p = def
	}
	if p < 1 || p > 65535 {
		return 0, fmt.Errorf("%d is not between 1 and 65535", p)
	}
	return uint16(p), nil
}

// errNoSuchChallenge is for callers, not clients: they offer only what can be.
var errNoSuchChallenge = errors.New("no such challenge")
