package ca

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/smallstep/certificates/policy"
)

// placeholder stands in a DNS rule for the identity's name.
const placeholder = "{name}"

// rules is a role with the engines that judge its names.
type rules struct {
	Role
	dns      *policy.NamePolicyEngine // nil: no fixed rule
	ip       *policy.NamePolicyEngine // nil: no rule
	template []string                 // DNS rules that hold the placeholder
	rsaBits  int                      // the smallest RSA key; 0: none is allowed
}

func newRules(role Role) (*rules, error) {
	r := &rules{Role: role}
	var fixed []string
	for _, rule := range role.DNS {
		if strings.Contains(rule, placeholder) {
			r.template = append(r.template, rule)
		} else {
			fixed = append(fixed, rule)
		}
	}
	var err error
	// An engine without rules allows everything, so there is none then.
	if len(fixed) > 0 {
		if r.dns, err = policy.New(policy.WithPermittedDNSDomains(fixed...)); err != nil {
			return nil, err
		}
	}
	if len(role.IPs) > 0 {
		if r.ip, err = policy.New(policy.WithPermittedIPRanges(ipNets(role.IPs)...)); err != nil {
			return nil, err
		}
	}
	for _, kind := range role.Keys {
		if bits, ok := rsaBits(kind); ok && (r.rsaBits == 0 || bits < r.rsaBits) {
			r.rsaBits = bits
		}
	}
	return r, nil
}

// allowsName reports whether an identity of the role may have the name.
func (r *rules) allowsName(name string) bool {
	return slices.ContainsFunc(r.Names, func(p Pattern) bool { return p.Match(name) })
}

// allowsKey reports whether the role takes the kind of key.
func (r *rules) allowsKey(key publicKey) bool {
	if key.bits > 0 {
		return r.rsaBits > 0 && key.bits >= r.rsaBits
	}
	return slices.Contains(r.Keys, key.kind)
}

// allowsDNS reports whether an identity of that name may ask for the DNS name. A
// wildcard must be a rule itself, letter by letter: no rule covers one by matching.
func (r *rules) allowsDNS(identity, name string) bool {
	if isWildcard(name) {
		return slices.ContainsFunc(r.Role.DNS, func(rule string) bool {
			return strings.EqualFold(strings.ReplaceAll(rule, placeholder, identity), name)
		})
	}
	if r.dns != nil && r.dns.IsDNSAllowed(name) == nil {
		return true
	}
	for _, template := range r.template {
		rule := strings.ReplaceAll(template, placeholder, identity) // the engine does not mind case
		if engine, err := policy.New(policy.WithPermittedDNSDomains(rule)); err == nil && engine.IsDNSAllowed(name) == nil {
			return true
		}
		// An identity's name that is no host name, such as one with '_', makes a
		// rule that covers nothing.
	}
	return false
}

func isWildcard(name string) bool { return strings.HasPrefix(name, "*.") }

// allowsIP reports whether the role's identities may ask for the address.
func (r *rules) allowsIP(addr netip.Addr) bool {
	return r.ip != nil && r.ip.IsIPAllowed(net.IP(addr.AsSlice())) == nil
}

// allowsSource reports whether a caller may speak from the address.
func (r *rules) allowsSource(addr netip.Addr) bool {
	if len(r.Networks) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(r.Networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func ipNets(prefixes []netip.Prefix) []*net.IPNet {
	nets := make([]*net.IPNet, len(prefixes))
	for i, p := range prefixes {
		nets[i] = &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
	}
	return nets
}
