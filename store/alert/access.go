package alert

import (
	"net/netip"
	"strings"

	"github.com/betonica/betonica/store/audit"
)

// access fills in what a guard's record means. Only a guard before an application is a
// witness: of one beside the caller the other end has the same record. Whose journal it is
// was proved by a signature; what it says of others is the guard's word.
func access(f *Fact, e audit.Entry, d detail) {
	kind, ok := strings.CutPrefix(e.Action, "access.")
	if !ok || d.text("side") != "server" {
		return
	}
	domain, _, _ := strings.Cut(f.Origin, "/")
	f.Identity = strings.TrimPrefix(strings.TrimPrefix(e.Actor, "spiffe://"), domain+"/")
	f.Address, f.Other, f.Serial, f.Why = address(e.Address), machineOf(f.Origin), d.text("serial"), d.text("reason")
	f.Route, f.Resource, f.Since = d.text("route"), d.text("resource"), d.time("since")
	if begin := d.time("begin"); !begin.IsZero() && begin.Before(f.At) {
		f.At = begin
	}
	switch {
	case e.Outcome == "allowed" || e.Outcome == "observed":
		f.Kind, f.Reads, f.Bytes = Used, reads(d), carried(kind, d)
	case e.Outcome == "refused" && d.text("operation") == "handshake":
		unknown(f)
	}
}

// unknown is for a connection that a guard refused before it knew who is there.
func unknown(f *Fact) {
	reason, claims, _ := strings.Cut(f.Why, "; it claims to be ")
	switch {
	case strings.Contains(reason, "certificate is revoked"):
		f.Kind, f.Code = Void, CodeRevoked
	case strings.Contains(reason, "expired"): // whose it was, nobody has proved
		f.Kind, f.Code, f.Identity = Void, CodeExpired, ""
	case f.Identity != "", strings.Contains(reason, "too many handshakes"), strings.Contains(reason, "handshake was not over"):
	case strings.HasSuffix(reason, "more connections were refused"):
		f.Kind, f.Count = Dropped, leading(reason)
	default:
		f.Kind, f.Other = Stranger, claims
	}
}

// reads reports whether ePHI was asked for, rather than brought.
func reads(d detail) bool {
	op := d.text("operation")
	switch d.text("protocol") {
	case "fhir":
		return op == "GET" || strings.HasSuffix(op, "_search")
	case "dicom":
		return op == "C-FIND" || op == "C-GET" || op == "C-MOVE"
	case "hl7":
		return strings.HasPrefix(op, "Q")
	}
	return false
}

// carried returns the bytes of payload, once: where requests or messages are recorded, those
// of the connection below them are the same.
func carried(kind string, d detail) int64 {
	if p := d.text("protocol"); kind == "association" || kind == "connection" && (p == "hl7" || p == "dicom") {
		return 0
	}
	return min(max(d.number("in"), 0), 1<<50) + min(max(d.number("out"), 0), 1<<50)
}

// address reads an address, with or without a port; the zero Addr of any other text.
func address(s string) netip.Addr {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr()
	}
	a, _ := netip.ParseAddr(s)
	return a
}

// leading returns the number that a text begins with.
func leading(s string) (n int64) {
	for _, r := range s {
		if r < '0' || r > '9' || n > 1<<40 {
			break
		}
		n = 10*n + int64(r-'0')
	}
	return n
}
