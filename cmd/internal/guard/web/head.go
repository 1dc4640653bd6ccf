package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// A shape is what is wrong with a request before anybody asks what it wants. Its text is
// for the caller and for the record, and repeats nothing of what he sent.
type shape = h1.Shape

const (
	badRequest = shape("malformed request line")
	badVersion = shape("neither HTTP/1.0 nor HTTP/1.1")
	badMethod  = shape("method is not served")
	badTarget  = shape("target is neither a path nor of this host")
	badHost    = shape("not exactly one valid Host")
	badExpect  = shape("expectation other than 100-continue")
	badLength  = h1.BadLength
	tooSlow    = shape("headers slower than 10 s")
)

// A head is what one request of HTTP/1 begins with.
type head struct {
	method, target string
	path, query    string // of the target; path is decoded
	host           string
	old            bool // HTTP/1.0
	header         http.Header
	length         int64 // of the body; -1 with chunks
	upgrade        bool  // to a WebSocket: what follows is no HTTP
	expects        bool  // a 100 (Continue) before it sends the body
	close          bool  // the connection, after the answer
}

// parseHead reads one request's line and headers, with the empty line at their end. It
// accepts what RFC 9112 lets a client send, and nothing that a lenient server might
// read otherwise: see package h1, and [cleanTarget].
func parseHead(b []byte) (head, error) { return parseHeadInto(b, http.Header{}, new(h1.Room)) }

// parseHeadInto is parseHead with its headers in h, which is empty, and their values in room.
func parseHeadInto(b []byte, into http.Header, room *h1.Room) (head, error) {
	h := head{header: into}
	line, err := room.Parse(b, h.header)
	if err != nil {
		return head{}, err
	}
	if err := h.requestLine(line); err != nil {
		return head{}, err
	}
	length, chunked, err := h1.Framing(h.header, h.old)
	if err != nil {
		return head{}, err
	}
	if h.length = max(length, 0); chunked {
		h.length = -1
	}
	hosts := h.header["Host"]
	if len(hosts) == 1 {
		h.host = hosts[0]
	}
	if len(hosts) != 1 && !(h.old && len(hosts) == 0) || len(hosts) == 1 && !isHost(h.host) || !own(h.target, h.host) {
		return head{}, badHost
	}
	delete(h.header, "Host")
	if h.path, h.query, err = cleanTarget(h.target); err != nil {
		return head{}, err
	}
	return h, h.connection()
}

// connection reads what the request wants of its connection.
func (h *head) connection() error {
	options := h.header["Connection"]
	upgrades := h.header["Upgrade"] // of several, the application may take another one than we
	h.upgrade = len(upgrades) == 1 && strings.EqualFold(upgrades[0], "websocket") && h1.HasToken(options, "upgrade") && h.method == "GET" && !h.old && h.length == 0
	h.close = h1.HasToken(options, "close") || h.old && !h1.HasToken(options, "keep-alive")
	if expect := h.header["Expect"]; len(expect) > 0 && !h.old {
		if len(expect) > 1 || !strings.EqualFold(expect[0], "100-continue") {
			return badExpect
		}
		h.expects = h.length != 0
	}
	delete(h.header, "Expect") // of this hop: see relay
	return nil
}

// requestLine takes "GET /path HTTP/1.1" apart.
func (h *head) requestLine(line string) error {
	method, rest, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || strings.IndexByte(version, ' ') >= 0 {
		return badRequest
	}
	if !isMethod(method) {
		return badMethod
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			return badTarget
		}
	}
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return badVersion
	}
	h.method, h.target, h.old = method, target, version == "HTTP/1.0"
	return nil
}

// request fills in r, which has its context already, and where it has one its URL.
func (h *head) request(r *http.Request) {
	if r.URL == nil {
		r.URL = new(url.URL)
	}
	r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength = h.method, h.target, h.host, h.header, h.length
	*r.URL = url.URL{Path: h.path, RawQuery: h.query}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if h.old {
		r.Proto, r.ProtoMinor = "HTTP/1.0", 0
	}
	r.Close, r.Body = h.close, http.NoBody
	r.Trailer = announced(h.header)
	delete(h.header, "Trailer")
}

// announced returns the trailers that a message's headers name, without their values; nil
// if it names none.
func announced(h http.Header) (trailer http.Header) {
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.Trim(name, " \t"); !h1.IsName(name) {
				continue
			}
			if trailer == nil {
				trailer = http.Header{}
			}
			trailer[http.CanonicalHeaderKey(name)] = nil
		}
	}
	if trailer != nil {
		stripTrailer(trailer)
	}
	return trailer
}

// own reports whether target is a path, or absolute and of the Host (RFC 9112, Section
// 3.2.2: a proxy goes by the target, and an application behind it may go by the Host).
func own(target, host string) bool {
	if strings.HasPrefix(target, "/") {
		return true
	}
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(target, scheme); ok {
			end := strings.IndexAny(rest, "/?#")
			return end > 0 && rest[end] == '/' && host != "" && rest[:end] == host
		}
	}
	return false
}

// isMethod reports whether a method may be forwarded: one of capital letters and
// hyphens, but for those that are about the connection or echo what they get.
func isMethod(s string) bool {
	if s == "" || len(s) > 32 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return false
	}
	return s != "TRACE" && s != "CONNECT" && s != "PRI"
}

// isHost reports whether a Host is a name or an address with an optional port.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !h1.Alphanumeric(c) && strings.IndexByte("-._~:[]", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 300
}
