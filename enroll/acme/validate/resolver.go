package validate

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// resolver returns one that asks the server at addr, and no other.
func resolver(addr string) (*net.Resolver, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("resolver %q is not host:port", addr)
	}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}, nil
}

// rooted returns name with a final dot, so that no search domain of this host's
// is tried.
func rooted(name string) string { return strings.TrimSuffix(name, ".") + "." }
