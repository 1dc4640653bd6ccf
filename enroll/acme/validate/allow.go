package validate

import (
	"net/netip"
	"slices"
)

// never lists, beside what [netip.Addr] has words for, where nobody listens in
// good faith: "this network", which Linux takes for itself, what is reserved and
// broadcast, and IPv6 forms that carry an IPv4 address past a check of it (RFC
// 6890; RFC 4291, Section 2.5.5.1; RFC 6052, 8215, 4380 and 3056).
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"),
}

// allowed reports whether a validation may connect to addr, which is unmapped.
func (v *Validator) allowed(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false // only a redirect can name one, and it has no business there
	}
	contains := func(p netip.Prefix) bool { return p.Contains(addr) }
	if len(v.allow) > 0 {
		return slices.ContainsFunc(v.allow, contains)
	}
	return !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !addr.IsMulticast() && !addr.IsUnspecified() && !slices.ContainsFunc(never, contains)
}
