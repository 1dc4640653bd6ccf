package ca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"slices"
)

// SameNames reports whether the request asks for exactly the names that a
// certificate of ours has: the same attributes of the subject in the same order, and
// the same subject alternative names in any order. That is what EST demands of a
// request that follows on a certificate (RFC 7030, Section 4.2.2).
func (r Request) SameNames(cert *x509.Certificate) bool {
	var ips []netip.Addr
	for _, ip := range cert.IPAddresses {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok {
			return false
		}
		ips = append(ips, addr.Unmap())
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	dns := slices.Sorted(slices.Values(cert.DNSNames))
	return slices.EqualFunc(r.subject, cert.Subject.Names, sameAttribute) &&
		slices.Equal(r.dns, dns) && slices.Equal(r.ips, ips) && r.permanent == "" &&
		len(cert.URIs) == 1 && r.id.String() == cert.URIs[0].String()
}

// sameAttribute compares the text, and not how it is encoded: a client may write as
// PrintableString what was a UTF8String.
func sameAttribute(a, b pkix.AttributeTypeAndValue) bool {
	x, xText := a.Value.(string)
	y, yText := b.Value.(string)
	return xText && yText && a.Type.Equal(b.Type) && x == y
}
