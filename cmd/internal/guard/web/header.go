package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// What the guard tells the application, and the other guard.
const (
	headerIdentity = "Betonica-Identity"
	headerRecord   = "Betonica-Record"
	headerCert     = "Client-Cert"       // RFC 9440, Section 2.2
	headerChain    = "Client-Cert-Chain" // RFC 9440, Section 2.3
)

// reserved reports whether only the guard may say what is under a header's name: who
// the caller is, where it comes from, and what it really asks for, against the request
// line. The name may be in any case and have anything for its hyphens.
func reserved(name string) bool {
	var room [64]byte
	spelling := h1.AppendSpelling(room[:0], name)
	for _, prefix := range [...]string{"betonica-", "client-cert", "x-client-cert", "x-ssl-", "ssl-client-", "x-forwarded-"} {
		if len(spelling) >= len(prefix) && string(spelling[:len(prefix)]) == prefix {
			return true
		}
	}
	switch string(spelling) {
	case "betonica", "proxy", // which CGI makes HTTP_PROXY of
		"forwarded", "x-forwarded", "x-real-ip", "x-client-ip", "x-client-verify", "x-client-dn",
		"x-original-url", "x-rewrite-url", "x-original-method", "x-original-host", "x-host",
		"x-cascade", "x-http-method-override", "x-http-method", "x-method-override":
		return true
	}
	return false
}

// misspelt reports whether a header is, to programs that make an _ of a hyphen, one
// that is about a single hop or about framing.
func misspelt(name string) bool {
	if !strings.ContainsFunc(name, func(r rune) bool { return r != '-' && (r >= 0x80 || !h1.Alphanumeric(byte(r))) }) {
		return false
	}
	plain := strings.ToLower(name)
	alike := h1.Spelling(plain)
	return plain != alike && slices.Contains(hop, alike)
}

var hop = []string{
	"connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info",
	"te", "trailer", "transfer-encoding", "upgrade", "content-length", "host", "http2-settings", "expect",
}

// removeHop removes what is of one hop: what Connection names, and what is about framing
// or about the connection itself (RFC 9110, Section 7.6.1).
func removeHop(h http.Header) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			delete(h, http.CanonicalHeaderKey(strings.Trim(name, " \t")))
		}
	}
	for name := range h {
		switch name {
		case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
			"Te", "Trailer", "Transfer-Encoding", "Upgrade":
			delete(h, name)
		}
	}
}

// strip removes from headers or trailers what the other side may not say.
func strip(h http.Header) {
	for name := range h {
		if reserved(name) || misspelt(name) {
			delete(h, name)
		}
	}
	delete(h, "Http2-Settings")
}

// stripTrailer removes from trailers what may not be one at all, too (RFC 9110, Section
// 6.5.1).
func stripTrailer(h http.Header) {
	strip(h)
	for name := range h {
		if slices.Contains(hop, h1.Spelling(name)) || slices.Contains(early, h1.Spelling(name)) {
			delete(h, name)
		}
	}
}

// early are headers that decide how a message is routed, judged or read, and so come
// too late in a trailer.
var early = []string{
	"authorization", "cookie", "set-cookie", "content-encoding", "content-type", "content-range", "range", "cache-control",
	"max-forwards", "location",
}

// stripAnswer removes from a response what is the guards' own.
func stripAnswer(h http.Header) {
	const prefix = "betonica-"
	for name := range h {
		var room [64]byte
		if len(name) >= len(prefix) && string(h1.AppendSpelling(room[:0], name[:len(prefix)])) == prefix {
			delete(h, name)
		}
	}
}
