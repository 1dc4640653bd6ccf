package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// An ACMEConfig is the table [acme].
type ACMEConfig struct {
	// Enabled says whether ACME clients are served, below /acme/ of HTTPS. Default
	// true.
	Enabled *bool `toml:"enabled"`
	// RequireEAB refuses accounts that are not bound to a token. Default true.
	// Without it whoever reaches HTTPS may have an account, and order in every role
	// whose names, and dns or ip, match, by naming it as the profile: challenges are
	// all that stands before a certificate. Roles without the method acme stay closed.
	RequireEAB *bool `toml:"require_eab"`
	// DefaultRole is whose members accounts without a token become, where their
	// order names no profile. Default: none, and such orders are refused.
	DefaultRole string `toml:"default_role"`
	// HTTPPort and TLSALPNPort are where http-01 and tls-alpn-01 connect to. Default
	// 80 and 443. Whoever may listen at another port gets certificates for its host.
	HTTPPort    Count `toml:"http_port"`
	TLSALPNPort Count `toml:"tls_alpn_port"`
	// Resolver is the DNS resolver that validation asks and believes, host:port or
	// host. Default: the system's.
	Resolver Resolver `toml:"resolver"`
	// AllowNetworks are those that validation may connect to. Default: all but
	// loopback, link-local and multicast addresses; a list allows itself alone.
	AllowNetworks []Network `toml:"allow_networks"`
	// TermsOfService is the URL of what clients have to agree to. Default: nothing.
	TermsOfService WebURL `toml:"terms_of_service"`

	// What one client can cost, an hour. Defaults 1000, 100000, 100000, 1000.
	AccountsPerSource  Count `toml:"accounts_per_source"`
	OrdersPerAccount   Count `toml:"orders_per_account"`
	OrdersPerIdentity  Count `toml:"orders_per_identity"`
	FailuresPerAccount Count `toml:"failures_per_account"`
}

// On reports whether a switch that is on by default is on.
func On(b *bool) bool { return b == nil || *b }

// resolve fills in the defaults, and bounds what was given.
func (a *ACMEConfig) resolve() error {
	return errors.Join(
		a.HTTPPort.within("acme.http_port", 80, 1, 65535),
		a.TLSALPNPort.within("acme.tls_alpn_port", 443, 1, 65535),
		a.AccountsPerSource.within("acme.accounts_per_source", 1_000, 1, maxCount),
		a.OrdersPerAccount.within("acme.orders_per_account", 100_000, 1, maxCount),
		a.OrdersPerIdentity.within("acme.orders_per_identity", 100_000, 1, maxCount),
		a.FailuresPerAccount.within("acme.failures_per_account", 1_000, 1, maxCount),
		a.someNetwork(),
	)
}

// someNetwork refuses an empty list: it reads as if it allowed nothing, and would
// be the default, which allows nearly everything.
func (a *ACMEConfig) someNetwork() error {
	if a.AllowNetworks != nil && len(a.AllowNetworks) == 0 {
		return errors.New("acme.allow_networks is empty: list the networks, or leave it out")
	}
	return nil
}

// maxCount is more than one daemon does in an hour.
const maxCount = 1_000_000_000

// A Count is a number of something, or of a port.
type Count int

func (c *Count) within(key string, def, least, most Count) error {
	if *c == 0 {
		*c = def
	}
	if *c < least || *c > most {
		return fmt.Errorf("%s is %d; it must be from %d to %d", key, *c, least, most)
	}
	return nil
}

// A Resolver is where a DNS server listens: host:port, or a host whose port is 53.
type Resolver struct{ text string }

func (r Resolver) String() string { return r.text }

// UnmarshalText checks the address; an empty text leaves the default.
func (r *Resolver) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	address := string(text)
	if _, err := ParseName(address); err == nil {
		address = net.JoinHostPort(address, "53")
	}
	a, err := ParseAddress(address)
	if err != nil || strings.HasPrefix(address, ":") {
		return fmt.Errorf("%q is not the host:port of a resolver", text)
	}
	r.text = a.String()
	return nil
}

// A Network is a network in CIDR notation.
type Network struct{ netip.Prefix }

// UnmarshalText takes what netip.ParsePrefix does, without bits beyond its length.
func (n *Network) UnmarshalText(text []byte) error {
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a network such as \"10.20.0.0/16\"", text)
	}
	if p != p.Masked() {
		return fmt.Errorf("network %s has bits beyond its length: is %s meant?", p, p.Masked())
	}
	n.Prefix = p
	return nil
}

// A WebURL is a URL that people open.
type WebURL struct{ text string }

func (u WebURL) String() string { return u.text }

// UnmarshalText takes a URL of scheme http or https.
func (u *WebURL) UnmarshalText(text []byte) error {
	v, err := url.Parse(string(text))
	if len(text) > 0 && (err != nil || v.Host == "" || v.Scheme != "http" && v.Scheme != "https") {
		return fmt.Errorf("%q is not the URL of a page", text)
	}
	u.text = string(text)
	return nil
}
