package ca

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A DeniedError reports that policy refused a request. Its text is meant for the
// caller: it names the role and the offending value, and nothing else.
type DeniedError struct {
	ID     ID     // zero if only a role and a name were asked about
	Rule   string // the role whose rule said no; empty if there is no such role
	Reason string

	// Setting is the key of the role in the policy file that says no; empty: the reason is
	// another than the role's.
	Setting string

	// Key says that the public key was the reason: another one would do.
	Key bool
}

func (e *DeniedError) Error() string {
	who := "this identity"
	if !e.ID.IsZero() {
		who = e.ID.Path()
	}
	if e.Rule == "" {
		return fmt.Sprintf("%s may not enroll: %s", who, e.Reason)
	}
	return fmt.Sprintf("%s may not enroll: role %q: %s", who, e.Rule, e.Reason)
}

// Decide judges a request of an authenticated identity. Every name that the
// request makes must be the identity's own, or covered by the role and, where the
// record lists names, on record or validated. A wildcard must be validated, and
// listed by the role as it is. A request without DNS names and addresses gets
// those on record. Usages, lifetime and all else come from the role.
//
// It returns a [*DeniedError] if the answer is no, and no other error. The grant
// must be used within a minute of now.
func (p *Policy) Decide(id Identity, req Request, now time.Time) (Grant, error) {
	if req.key.public == nil {
		return Grant{}, &DeniedError{ID: id.ID, Reason: "there is no request"}
	}
	role, ok := p.roles[id.ID.role]
	if !ok || id.ID.IsZero() {
		return Grant{}, &DeniedError{ID: id.ID, Reason: "there is no such role"}
	}
	if req.tpm != nil {
		return role.attestation(id, req, p.version, now)
	}
	names, setting, reason := role.judge(id, req)
	if reason != "" {
		return Grant{}, &DeniedError{ID: id.ID, Rule: role.Name, Reason: reason, Setting: setting, Key: setting == "keys"}
	}
	return Grant{
		id:            id.ID,
		revision:      id.Revision,
		policyVersion: p.version,
		role:          role.Name,
		key:           req.key,
		spki:          req.spki,
		dns:           names.dns,
		ips:           names.ips,
		usages:        role.Usages,
		lifetime:      role.Lifetime,
		rekey:         role.Rekey,
		sharesNames:   role.ShareNames,
		decided:       now,
	}, nil
}

// AllowsName reports, as nil or a [*DeniedError], whether an identity of this
// name may exist in the role. Nobody makes one in [RoleCA] but the daemon itself,
// which does not ask.
func (p *Policy) AllowsName(role, name string) error {
	r, ok := p.roles[role]
	if !ok {
		return &DeniedError{Reason: fmt.Sprintf("there is no role %q", clip(role))}
	}
	if role == RoleCA {
		return &DeniedError{Rule: role, Reason: "the role is reserved for the authority's own servers"}
	}
	if err := checkName(name); err != nil {
		return &DeniedError{Rule: role, Reason: err.Error()}
	}
	if !r.allowsName(name) {
		return &DeniedError{Rule: role, Reason: fmt.Sprintf("name %q is not covered", name)}
	}
	return nil
}

// altNames are those that a certificate gets beside the identity's own.
type altNames struct {
	dns []string
	ips []netip.Addr
}

// judge returns the names to grant, or why not, and by which key of the role, if it is one.
func (r *rules) judge(id Identity, req Request) (granted altNames, setting, reason string) {
	if setting, reason := r.keeps(id); reason != "" {
		return altNames{}, setting, reason
	}
	switch {
	case !r.allowsKey(req.key):
		return altNames{}, "keys", forbidden(req.key)
	case !req.id.IsZero() && req.id != id.ID:
		return altNames{}, "", fmt.Sprintf("the request names another identity, %q", req.id)
	}
	if permanent, ok := req.PermanentID(); ok && permanent != id.ID.name {
		return altNames{}, "", fmt.Sprintf("the request is for another permanent identifier, %q", permanent)
	}
	granted, setting, reason = r.names(id, req)
	if reason != "" {
		return altNames{}, setting, reason
	}
	if reason := id.bound(req); reason != "" {
		return altNames{}, "", reason
	}
	if !ownCommonName(req.commonName, id.ID, granted) {
		return altNames{}, "", fmt.Sprintf("common name %q is neither %q nor a name granted", clip(req.commonName), id.ID.name)
	}
	return granted, "", ""
}

// forbidden says that the role has no place for keys of this type.
func forbidden(k publicKey) string { return fmt.Sprintf("key type %s is not allowed", k.kind) }

// keeps says why an identity gets nothing whatever it asks for, or "", and by which key of
// the role.
func (r *rules) keeps(id Identity) (key, reason string) {
	switch {
	case !slices.Contains(r.Methods, id.Method):
		return "methods", fmt.Sprintf("method %q is not allowed", id.Method)
	case id.Method != MethodRenew && max(id.Proofs, 1) < r.Proofs:
		return "proofs", fmt.Sprintf("it takes %d independent proofs, and %d was shown", r.Proofs, max(id.Proofs, 1))
	case r.Name != RoleCA && !r.allowsName(id.ID.name):
		return "names", fmt.Sprintf("name %q is not covered", id.ID.name)
	case !r.allowsSource(id.Source):
		return "networks", fmt.Sprintf("address %s is in none of its networks", id.Source)
	}
	return "", ""
}

// names returns the DNS names and addresses to grant, or why not, as judge does.
func (r *rules) names(id Identity, req Request) (granted altNames, setting, reason string) {
	record, reason := recordNames(id)
	if reason != "" {
		return altNames{}, "", reason
	}
	listed := len(record.dns)+len(record.ips) > 0
	granted = altNames{req.dns, req.ips}
	if len(req.dns)+len(req.ips) == 0 {
		granted = record
	}
	self := r.Name == RoleCA // its record is made by the daemon's own configuration
	for _, name := range granted.dns {
		validated := slices.ContainsFunc(id.ValidatedDNS, func(v string) bool { return strings.EqualFold(v, name) })
		if listed && !validated && !slices.Contains(record.dns, name) {
			return altNames{}, "", fmt.Sprintf("DNS name %q is not on record", name)
		}
		if isWildcard(name) && !validated {
			return altNames{}, "", fmt.Sprintf("wildcard %q is not validated", name)
		}
		if !self && !r.allowsDNS(id.ID.name, name) {
			return altNames{}, "dns", fmt.Sprintf("DNS name %q is not covered", name)
		}
	}
	for _, addr := range granted.ips {
		if listed && !slices.Contains(record.ips, addr) && !slices.Contains(id.ValidatedIPs, addr) {
			return altNames{}, "", fmt.Sprintf("IP address %s is not on record", addr)
		}
		if !self && !r.allowsIP(addr) {
			return altNames{}, "ip", fmt.Sprintf("IP address %s is not covered", addr)
		}
	}
	if self && !listed && len(granted.dns)+len(granted.ips) > 0 {
		return altNames{}, "", "no names are on record"
	}
	return granted, "", ""
}

// recordNames returns the names on record in the form in which they are granted.
func recordNames(id Identity) (altNames, string) {
	var n altNames
	for _, s := range id.DNSNames {
		name, err := DNSName(s)
		if err != nil {
			return altNames{}, "on record: " + err.Error()
		}
		n.dns = append(n.dns, name)
	}
	for _, addr := range id.IPs {
		if !addr.IsValid() || addr.Zone() != "" {
			return altNames{}, fmt.Sprintf("on record: %q is not an IP address", addr)
		}
		n.ips = append(n.ips, addr.Unmap())
	}
	slices.Sort(n.dns)
	n.dns = slices.Compact(n.dns)
	slices.SortFunc(n.ips, netip.Addr.Compare)
	n.ips = slices.Compact(n.ips)
	return n, ""
}

// ownCommonName reports whether a request may carry the common name. The
// certificate's is the identity's name in any case.
func ownCommonName(cn string, id ID, granted altNames) bool {
	if cn == "" || cn == id.name {
		return true
	}
	if addr, err := netip.ParseAddr(cn); err == nil {
		return slices.Contains(granted.ips, addr.Unmap())
	}
	name, err := requestDNSName(cn)
	return err == nil && slices.Contains(granted.dns, name)
}
