package validate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// dialTimeout bounds the wait for one address to accept. Four of them, a lookup
	// and an answer fit into a validation.
	dialTimeout = 3 * time.Second

	// triesPerFamily is how many addresses of a name are tried, first of IPv6, then
	// of IPv4: a name with a thousand addresses makes no scanner of us.
	triesPerFamily = 2
)

// connect resolves host, which is a name or an address, once, and connects to the
// first of its addresses that is allowed and accepts. The connection breaks when
// the time for one is over, or when the context ends.
func (v *Validator) connect(ctx context.Context, host string, port uint16) (net.Conn, error) {
	addrs, err := v.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	err = &Error{Kind: KindConnection, Detail: "no address of the host is in a network that validation may connect to"}
	for _, addr := range v.candidates(addrs) {
		conn, dialErr := v.dialAddr(ctx, netip.AddrPortFrom(addr, port))
		if dialErr == nil {
			return conn, nil
		}
		err = connectionError(dialErr)
	}
	return nil, err
}

// addresses returns the addresses of host.
func (v *Validator) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") { // no resolver's business: RFC 6761, Section 6.3
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, v.lookup)
	defer cancel()
	addrs, err := v.resolver.LookupNetIP(ctx, "ip", rooted(host))
	if err != nil {
		return nil, dnsError("the host's addresses", err)
	}
	return addrs, nil
}

// candidates returns those of addrs that are tried, in that order: a host that is
// reachable by IPv6 is expected to answer there.
func (v *Validator) candidates(addrs []netip.Addr) []netip.Addr {
	var six, four []netip.Addr
	for _, addr := range addrs {
		addr = addr.Unmap()
		switch {
		case !v.allowed(addr):
		case addr.Is6() && len(six) < triesPerFamily:
			six = append(six, addr)
		case addr.Is4() && len(four) < triesPerFamily:
			four = append(four, addr)
		}
	}
	return append(six, four...)
}

// dialAddr connects to just that address, which must be allowed.
func (v *Validator) dialAddr(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	deadline := time.Now().Add(v.conn)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	dialer := net.Dialer{Timeout: v.dial, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
