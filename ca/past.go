package ca

import (
	"crypto/x509"
	"fmt"
	"net/netip"
)

// A Past is what was asked for once, as far as it is on record.
type Past struct {
	Role, Name string
	Method     Method
	Proofs     int        // how many were shown; 0: one
	Source     netip.Addr // the zero Addr: not known, and not judged

	// Certificate is what came of it. Nil: nothing did, and what names and what key were
	// asked for is not known, and not judged.
	Certificate *x509.Certificate
}

// A Denial is why something would be refused.
type Denial struct {
	Role   string `json:"role"`
	Key    string `json:"key,omitempty"` // of the role, in the policy file; empty: there is no such role
	Reason string `json:"reason"`
}

// Again says why the policy would refuse today what was asked for then, or nil. It judges
// by the role alone: that a name was on record, or validated, is left as it was, and so is
// what a TPM vouched for.
func (p *Policy) Again(past Past) *Denial {
	role, ok := p.roles[past.Role]
	if !ok {
		return &Denial{Role: past.Role, Reason: "there is no such role"}
	}
	if key, reason := role.again(past); reason != "" {
		return &Denial{Role: past.Role, Key: key, Reason: reason}
	}
	return nil
}

func (r *rules) again(past Past) (key, reason string) {
	id := Identity{ID: ID{role: past.Role, name: past.Name}, Method: past.Method, Proofs: past.Proofs, Source: past.Source}
	if !past.Source.IsValid() && len(r.Networks) > 0 {
		id.Source = r.Networks[0].Addr()
	}
	key, reason = r.keeps(id)
	cert := past.Certificate
	if reason != "" || cert == nil {
		return key, reason
	}
	if k, err := newPublicKey(cert.PublicKey, cert.RawSubjectPublicKeyInfo); err != nil || !r.allowsKey(k) {
		return "keys", forbidden(k)
	}
	for _, name := range cert.DNSNames {
		if !r.allowsDNS(past.Name, name) {
			return "dns", fmt.Sprintf("DNS name %q is not covered", clip(name))
		}
	}
	for _, ip := range cert.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); !ok || !r.allowsIP(addr.Unmap()) {
			return "ip", fmt.Sprintf("IP address %s is not covered", ip)
		}
	}
	return "", ""
}
