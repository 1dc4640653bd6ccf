package validate

import (
	"net/netip"
	"time"
)

// Hurry sets every bound on time, so that a test sees it reached.
func (v *Validator) Hurry(total, each time.Duration) {
	v.total, v.conn, v.lookup, v.dial = total, each, each, each
}

// Allowed reports whether a validation may connect to addr.
func (v *Validator) Allowed(addr netip.Addr) bool { return v.allowed(addr) }

// Candidates returns which of addrs are tried, in that order.
func (v *Validator) Candidates(addrs ...netip.Addr) []netip.Addr { return v.candidates(addrs) }

// ServerName returns what TLS calls an address.
func ServerName(addr string) string { return subject{addr: netip.MustParseAddr(addr)}.serverName() }

// Ask gets a URL over a connection, and judges the answer.
var Ask = ask

// IsOnlyName reports whether der is a SubjectAltName of just that DNS name.
func IsOnlyName(der []byte, name string) bool { return isOnlyName(der, subject{name: name}) }
