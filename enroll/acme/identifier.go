package acme

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// The types of identifier (RFC 8555, Section 9.7.7; RFC 8738; RFC 4043 by
// draft-ietf-acme-device-attest).
const (
	typeDNS       = "dns"
	typeIP        = "ip"
	typePermanent = "permanent-identifier"
)

// maxIdentifiers is how many names a certificate request may have.
const maxIdentifiers = 100

// identifiers reads the names of a new order, in the form in which they are
// compared: lower case, addresses as [netip.Addr] writes them, none twice. What
// cannot be a name comes back as subproblems, all at once (RFC 8555, Section
// 6.7.1).
func identifiers(asked []identifier) ([]store.OrderIdentifier, error) {
	if len(asked) == 0 || len(asked) > maxIdentifiers {
		return nil, malformed(fmt.Sprintf("an order has 1 to %d identifiers", maxIdentifiers))
	}
	var ids []store.OrderIdentifier
	var bad []*problem
	for i := range asked {
		id, p := parseIdentifier(asked[i])
		switch {
		case p != nil:
			p.Identifier = &asked[i]
			bad = append(bad, p)
		case !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}
	if len(bad) > 0 {
		return nil, joined(bad)
	}
	return ids, nil
}

func parseIdentifier(asked identifier) (id store.OrderIdentifier, p *problem) {
	id.Identifier = store.Identifier(asked)
	switch asked.Type {
	case typeDNS:
		var name string
		name, id.Wildcard = strings.CutPrefix(asked.Value, "*.")
		canonical, err := ca.DNSName(name)
		if err != nil {
			return id, &problem{Type: rejectedIdentifier, Detail: "not a DNS name, in its ASCII form"}
		}
		id.Value = canonical
	case typeIP:
		addr, err := netip.ParseAddr(asked.Value)
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			return id, &problem{Type: rejectedIdentifier, Detail: "not an IP address"}
		}
		id.Value = addr.String()
	case typePermanent:
		if asked.Value == "" || len(asked.Value) > 64 {
			return id, &problem{Type: rejectedIdentifier, Detail: "not the name of a device"}
		}
	default:
		return id, &problem{Type: unsupportedIdentifier, Detail: "identifiers are dns, ip and permanent-identifier"}
	}
	return id, nil
}

// joined is one problem of several subproblems.
func joined(subs []*problem) *problem {
	p := newProblem(http.StatusBadRequest, subs[0].Type, subs[0].Detail)
	p.Subproblems = subs
	for _, sub := range subs {
		if sub.Type != p.Type {
			p.Type = compound
		}
	}
	if len(subs) > 1 {
		p.Detail = fmt.Sprintf("%d of the identifiers cannot be", len(subs))
	}
	return p
}

// shown is an identifier as an order has it: with "*." before a wildcard.
func shown(id store.OrderIdentifier) identifier {
	if id.Wildcard {
		return identifier{id.Type, "*." + id.Value}
	}
	return identifier(id.Identifier)
}
