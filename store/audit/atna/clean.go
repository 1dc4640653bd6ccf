package atna

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/store/audit/plain"
)

// A text may be written into a message: it is a constant of ours, or it was cleaned. No
// other file converts a string to it, and the writers take nothing else.
type text string

func clean(s string, max int) text { return text(plain.Clean(s, max)) }

// Bounds of strangers' texts, in bytes. With all of them at their longest, and the
// costliest to escape, a message without its details is shorter than [Limit].
const (
	maxID      = 384 // who, and what it was done to
	maxSource  = 256
	maxOutcome = 384
	maxAddress = 128
	maxRequest = 128
	maxName    = 64   // of a detail
	maxValue   = 8192 // of a detail
)

func number(n int64) text { return text(strconv.FormatInt(n, 10)) }

// stamp writes a time as XML's dateTime and FHIR's instant, to the millisecond. One that
// they cannot hold is the epoch.
func stamp(t time.Time) text {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		t = time.UnixMilli(0).UTC()
	}
	return text(t.Format("2006-01-02T15:04:05.000Z"))
}

// token returns s if it is 1 to 64 of the letters, digits, '.', '_' and '-', of
// which codes are made, and else what to take instead.
func token(s string, instead text) text {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || s[i] == '.' || s[i] == '_' || s[i] == '-') {
			return instead
		}
	}
	if s == "" || len(s) > 64 {
		return instead
	}
	return text(s)
}

// host returns the address or the name of host:port, or of a host alone.
func host(s string) text {
	if with, err := netip.ParseAddrPort(s); err == nil {
		return clean(with.Addr().Unmap().String(), maxAddress)
	}
	if _, err := netip.ParseAddr(s); err != nil {
		s, _, _ = strings.Cut(s, ":")
	}
	return clean(s, maxAddress)
}

// addressType is the kind of an address: 2 is an IP address, 1 a machine's name (PS3.15,
// Section A.5.2.4; FHIR's network-type).
func addressType(s text) text {
	if _, err := netip.ParseAddr(string(s)); err == nil {
		return "2"
	}
	return "1"
}

// isURI says whether an identifier is a URI, and needs no system.
func isURI(s text) bool {
	return strings.Contains(string(s), "://") || strings.HasPrefix(string(s), "urn:")
}
