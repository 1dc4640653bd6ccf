package stream

import "net/netip"

// sourceOf returns what a subscriber is counted under, by its Request.RemoteAddr:
// an IPv4 address, or the /64 of an IPv6 address, any of which its site may take.
// It is not valid for who is not capped.
func sourceOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // no address of the Internet
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(ip, bits).Masked()
}
