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
