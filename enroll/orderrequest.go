package enroll

import (
	"net/netip"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// orderRequest reads a CSR in DER, and sees that it asks for what the order of
// identity id is for, with the key that was attested if one was. Whatever is wrong
// with it is a [*ca.RequestError].
func orderRequest(id ca.ID, o store.Order, authz []store.Authorization, csr []byte) (ca.Request, error) {
	if len(csr) == 0 || csr[0] != 0x30 { // a SEQUENCE
		return ca.Request{}, &ca.RequestError{Reason: "not in DER"}
	}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return ca.Request{}, err
	}
	named, isName := req.WithCommonName()
	if cn := req.CommonName(); cn == id.Name() && !ordered(named, o) {
		named = req // by whom it is, not for what
	} else if cn != "" && cn != id.Name() && !isName {
		return ca.Request{}, &ca.RequestError{Reason: "the common name is not in the order"}
	}
	if !ordered(named, o) {
		return ca.Request{}, &ca.RequestError{Reason: "its names are not those of the order"}
	}
	if uri, ok := req.ID(); ok && uri != id {
		return ca.Request{}, &ca.RequestError{Reason: "its URI is not the identity that the order is for"}
	}
	if name, ok := req.PermanentID(); ok && !slices.ContainsFunc(o.Identifiers, func(i store.OrderIdentifier) bool {
		return i.Identifier == store.Identifier{Type: identifierPermanent, Value: name}
	}) {
		return ca.Request{}, &ca.RequestError{Reason: "its permanent identifier is not in the order"}
	}
	key := req.SPKI()
	for _, a := range authz {
		if len(a.SPKI) > 0 && !slices.Equal(a.SPKI, key[:]) {
			return ca.Request{}, &ca.RequestError{Reason: "its key is not the one that was attested"}
		}
	}
	return named, nil
}

// ordered reports whether the DNS names and addresses of the request are exactly
// those of the order (RFC 8555, Section 7.4).
func ordered(req ca.Request, o store.Order) bool {
	var dns []string
	var ips []netip.Addr
	for _, id := range o.Identifiers {
		switch id.Type {
		case identifierDNS:
			dns = append(dns, dnsName(id))
		case identifierIP:
			addr, err := netip.ParseAddr(id.Value)
			if err != nil {
				return false
			}
			ips = append(ips, addr)
		}
	}
	slices.Sort(dns)
	slices.SortFunc(ips, netip.Addr.Compare)
	return slices.Equal(slices.Compact(dns), req.DNSNames()) && slices.Equal(slices.Compact(ips), req.IPs())
}
