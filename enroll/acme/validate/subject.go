package validate

import (
	"fmt"
	"net/netip"
	"strings"
)

// A subject is the identifier of a challenge, parsed: an address if it is valid,
// else a name.
type subject struct {
	name string
	addr netip.Addr
}

// parseSubject returns what c is about, and refuses what its type cannot show: a
// wildcard by anything but dns-01, an address by dns-01 (RFC 8738, Section 7).
func parseSubject(c Challenge) (subject, error) {
	switch c.Type {
	case HTTP01, DNS01, TLSALPN01:
	default:
		return subject{}, fmt.Errorf("%w: type %q", errNoSuchChallenge, c.Type)
	}
	if c.Token == "" || !strings.HasPrefix(c.KeyAuthorization, c.Token+".") || strings.Trim(c.Token, base64url) != "" {
		return subject{}, fmt.Errorf("%w: the token is not of the key authorization", errNoSuchChallenge)
	}
	if c.Wildcard && c.Type != DNS01 {
		return subject{}, fmt.Errorf("%w: %s for a wildcard", errNoSuchChallenge, c.Type)
	}
	addr, err := netip.ParseAddr(c.Identifier)
	if err != nil {
		if c.Identifier == "" || len(c.Identifier) > 253 || strings.ContainsAny(c.Identifier, "*:/@[]% ") || strings.HasSuffix(c.Identifier, ".") {
			return subject{}, fmt.Errorf("%w: %q is not a name", errNoSuchChallenge, c.Identifier)
		}
		return subject{name: c.Identifier}, nil
	}
	if c.Type == DNS01 {
		return subject{}, fmt.Errorf("%w: %s for an address", errNoSuchChallenge, c.Type)
	}
	if addr.Zone() != "" || addr.Is4In6() {
		return subject{}, fmt.Errorf("%w: %q is not an address that can be certified", errNoSuchChallenge, c.Identifier)
	}
	return subject{addr: addr}, nil
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// host is the subject as a host of the dialer's.
func (s subject) host() string {
	if s.addr.IsValid() {
		return s.addr.String()
	}
	return s.name
}

// serverName is the subject as TLS's server_name, which takes no address: for
// one it is the name of its reverse record (RFC 8738, Section 6).
func (s subject) serverName() string {
	if !s.addr.IsValid() {
		return s.name
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	octets := s.addr.AsSlice()
	for i := len(octets) - 1; i >= 0; i-- {
		if s.addr.Is4() {
			fmt.Fprintf(&b, "%d.", octets[i])
		} else {
			b.Write([]byte{digits[octets[i]&15], '.', digits[octets[i]>>4], '.'})
		}
	}
	if s.addr.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}
