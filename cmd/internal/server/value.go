package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/betonica/betonica/ca"
)

// An Address is where a listener listens: host:port, :port for all interfaces,
// and port 0 for one that is free.
type Address struct{ text string }

// ParseAddress checks an address; the host must be an IP address or a name.
func ParseAddress(text string) (Address, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not host:port", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("%q: port %q is not a number from 0 to 65535", text, port)
	}
	if host != "" {
		if _, err := ParseName(host); err != nil {
			return Address{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	return Address{text}, nil
}

func (a Address) String() string { return a.text }

// UnmarshalText is ParseAddress; an empty text leaves the default.
func (a *Address) UnmarshalText(text []byte) (err error) {
	if len(text) > 0 {
		*a, err = ParseAddress(string(text))
	}
	return err
}

// A Name is a DNS name or an IP address of the daemon.
type Name struct {
	dns string
	ip  netip.Addr
}

var dnsName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseName reads a DNS name, which it turns into lower case, or an IP address.
func ParseName(text string) (Name, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return Name{ip: ip.Unmap()}, nil
	}
	dns := strings.ToLower(text)
	if len(dns) > 253 || !dnsName.MatchString(dns) {
		return Name{}, fmt.Errorf("%q is neither a DNS name nor an IP address", text)
	}
	return Name{dns: dns}, nil
}

func (n Name) String() string {
	if n.ip.IsValid() {
		return n.ip.String()
	}
	return n.dns
}

// UnmarshalText is ParseName.
func (n *Name) UnmarshalText(text []byte) (err error) {
	*n, err = ParseName(string(text))
	return err
}

// SplitNames sorts names into what stands as DNS and as IP in a certificate.
func SplitNames(names []Name) (dns []string, ips []netip.Addr) {
	for _, n := range names {
		if n.ip.IsValid() {
			ips = append(ips, n.ip)
		} else {
			dns = append(dns, n.dns)
		}
	}
	return dns, ips
}

// WithLoopback returns the names, each once, and after them those of the
// loopback: all that a daemon is known by that was given none.
func WithLoopback(names []Name) []Name {
	var all []Name
	loopback := []Name{{dns: "localhost"}, {ip: netip.MustParseAddr("127.0.0.1")}, {ip: netip.IPv6Loopback()}}
	for _, n := range slices.Concat(names, loopback) {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// A ReplicaName is a name in the role ca.
type ReplicaName struct{ text string }

// defaultReplica is what a daemon is called that was given no name.
var defaultReplica = ReplicaName{"betonicad"}

func (n ReplicaName) String() string { return n.text }

// UnmarshalText takes what a certificate can name; an empty text leaves the default.
func (n *ReplicaName) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	id, err := ca.NewID("any.example", ca.RoleCA, string(text))
	n.text = id.Name()
	return err
}

// A URL is the base of what a certificate points to: http://host[:port][/path].
type URL struct{ text string }

func (u URL) String() string { return u.text }

// UnmarshalText takes a URL of scheme http only: a relying party that had to
// verify TLS in order to fetch what it verifies TLS with would go in circles
// (RFC 5280, Section 8).
func (u *URL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	v, err := url.Parse(string(text))
	if err != nil {
		return errors.New("not a URL")
	}
	if v.Scheme != "http" || v.Host == "" || v.User != nil || v.RawQuery != "" || v.Fragment != "" {
		return fmt.Errorf("%q is not of the form http://host[:port][/path]", text)
	}
	u.text = strings.TrimSuffix(v.String(), "/")
	return nil
}

// DefaultURL is how relying parties reach a listener at port if nobody says
// otherwise: by the first of the daemon's names.
func DefaultURL(names []Name, port int) URL {
	return URL{"http://" + net.JoinHostPort(names[0].String(), strconv.Itoa(port))}
}
