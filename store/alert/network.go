package alert

import (
	"encoding/binary"
	"net/netip"
)

// A network is an IPv4 /24 or an IPv6 /48, packed: what counts as one place on the net. 0
// is none.
type network uint64

const six = network(1) << 63 // an IPv6 one; the upper bits of IPv4 are never used so

// networkOf returns the network of an address. Loopback is none: it says where nobody is.
func networkOf(a netip.Addr) network {
	switch a = a.Unmap(); {
	case !a.IsValid() || a.IsLoopback() || a.IsUnspecified():
		return 0
	case a.Is4():
		b := a.As4()
		return network(b[0])<<16 | network(b[1])<<8 | network(b[2]) | 1<<24
	}
	b := a.As16()
	return six | network(binary.BigEndian.Uint64(b[:8])>>16)
}

func (n network) is6() bool { return n&six != 0 }

func (n network) String() string {
	switch {
	case n == 0:
		return "no network"
	case n.is6():
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], uint64(n&^six)<<16)
		return netip.PrefixFrom(netip.AddrFrom16(b), 48).String()
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 16), byte(n >> 8), byte(n)}), 24).String()
}

// source is what counts as one source of attempts: an IPv4 address, or an IPv6 /64, which
// one machine can have all of (RFC 4291, Section 2.5.4).
func source(a netip.Addr) string {
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}
