package web

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// A shape is what is wrong with a request before anybody asks what it wants. Its text is
// for the caller and for the record, and repeats nothing of what he sent.
type shape string

func (s shape) Error() string { return string(s) }

const (
	badLine     = shape("line does not end in CR LF, or has a control character")
	badRequest  = shape("malformed request line")
	badVersion  = shape("neither HTTP/1.0 nor HTTP/1.1")
	badMethod   = shape("method is not served")
	badTarget   = shape("target is neither a path nor of this host")
	badHeader   = shape("malformed header")
	badFold     = shape("folded header")
	badHost     = shape("not exactly one valid Host")
	badLength   = shape("malformed or repeated length")
	badTransfer = shape("transfer coding other than chunked, or with a length")
	badName     = shape("header that some servers read as another")
	badChunk    = shape("malformed chunk")
	tooLarge    = shape("headers larger than 64 KiB")
	tooSlow     = shape("headers slower than 10 s")
)

// A head is what the framing of one HTTP/1 request hangs on (RFC 9112, Section 6).
type head struct {
	length  int64 // of the body; 0 with chunked
	chunked bool
	upgrade bool // to a WebSocket: what follows is no HTTP
}

// parseHead reads one request's line and headers, with the empty line at their end. It
// accepts what RFC 9112 lets a client send, and nothing that a lenient server might
// read otherwise: obs-fold, bare CR or LF, several or listed lengths, a length beside
// Transfer-Encoding, space around names, and names that are framing but for an _.
func parseHead(b []byte) (head, error) {
	line, rest, ok := cutLine(b)
	if !ok {
		return head{}, badLine
	}
	method, target, old, err := requestLine(line)
	if err != nil {
		return head{}, err
	}
	var h head
	var f fields
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return head{}, badLine
		}
		if len(line) == 0 {
			break
		}
		if err := f.add(line); err != nil {
			return head{}, err
		}
	}
	if len(rest) != 0 {
		return head{}, badHeader
	}
	if err := f.framing(&h, old); err != nil {
		return head{}, err
	}
	if f.hosts != 1 && !(old && f.hosts == 0) || f.hosts == 1 && !isHost(f.host) || !own(target, f.host) {
		return head{}, badHost
	}
	if _, _, err := cleanTarget(target); err != nil {
		return head{}, err
	}
	h.upgrade = f.websocket && f.upgrading && method == "GET" && !old && !h.chunked && h.length == 0
	return h, nil
}

// requestLine takes "GET /path HTTP/1.1" apart; old is HTTP/1.0.
func requestLine(line []byte) (method, target string, old bool, err error) {
	parts := strings.Split(string(line), " ")
	if len(parts) != 3 {
		return "", "", false, badRequest
	}
	if !isMethod(parts[0]) {
		return "", "", false, badMethod
	}
	for _, c := range []byte(parts[1]) {
		if c <= ' ' || c >= 0x7f {
			return "", "", false, badTarget
		}
	}
	if parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0" {
		return "", "", false, badVersion
	}
	return parts[0], parts[1], parts[2] == "HTTP/1.0", nil
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
		if c := s[i]; !alphanumeric(c) && !strings.ContainsRune("-._~:[]", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= 300
}

// cutLine cuts off the first line, without its CR LF; false if it does not end so, or has
// a bare CR, a NUL or another control character but the tab.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	n := bytes.IndexByte(b, '\n')
	if n < 1 || b[n-1] != '\r' {
		return nil, nil, false
	}
	line, rest = b[:n-1], b[n+1:]
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, false
		}
	}
	return line, rest, true
}

var errLength = errors.New("not a length")

// parseLength reads a Content-Length: digits, and nothing else.
func parseLength(s string) (int64, error) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, errLength
	}
	return strconv.ParseInt(s, 10, 64)
}
