package ca

import (
	"fmt"
	"net/netip"
)

// Admits reports, as nil or a [*DeniedError], whether the identity, by its method
// and from its source, may ask for anything at all. It is for those who ask before
// they have a request, as a client of ACME does; [Policy.Decide] asks again.
func (p *Policy) Admits(id Identity) error {
	role, ok := p.roles[id.ID.role]
	if !ok || id.ID.IsZero() {
		return &DeniedError{ID: id.ID, Reason: "there is no such role"}
	}
	if setting, reason := role.keeps(id); reason != "" {
		return &DeniedError{ID: id.ID, Rule: role.Name, Reason: reason, Setting: setting}
	}
	return nil
}

// CoversDNS reports, as nil or a [*DeniedError], whether the role of id covers the
// DNS name, or the wildcard "*.example.com". What is on record or validated is
// another matter.
func (p *Policy) CoversDNS(id ID, name string) error {
	role, ok := p.roles[id.role]
	if !ok || !role.allowsDNS(id.name, name) {
		return &DeniedError{ID: id, Rule: id.role, Setting: "dns", Reason: fmt.Sprintf("DNS name %q is not covered", clip(name))}
	}
	return nil
}

// CoversIP is CoversDNS for an address.
func (p *Policy) CoversIP(id ID, addr netip.Addr) error {
	role, ok := p.roles[id.role]
	if !ok || !addr.IsValid() || addr.Zone() != "" || !role.allowsIP(addr.Unmap()) {
		return &DeniedError{ID: id, Rule: id.role, Setting: "ip", Reason: fmt.Sprintf("IP address %s is not covered", addr)}
	}
	return nil
}
