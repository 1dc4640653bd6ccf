package h1

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Parse reads a whole head, as [Reader.Head] returns it: it adds the headers to h, under
// their canonical names, and returns the first line. It returns a [Shape] if the head has
// more than one reading; then h holds a part of it. Nothing returned shares b's memory.
func Parse(b []byte, h http.Header) (first string, err error) { return new(Room).Parse(b, h) }

// A Room is memory for the values of headers: those of one head, and when they are of no
// use any more those of the next. The zero Room is ready to be used.
type Room struct{ values []string }

// Clear drops the values, and the memory if it is for more than most.
func (r *Room) Clear(most int) {
	if clear(r.values[:cap(r.values)]); cap(r.values) > most {
		r.values = nil
	}
}

// of returns room for n values.
func (r *Room) of(n int) []string {
	if cap(r.values) < n {
		r.values = make([]string, n)
	}
	return r.values[:n]
}

// Parse is [Parse], with the values in r: those of the head before are gone.
func (r *Room) Parse(b []byte, h http.Header) (first string, err error) {
	text := string(b)
	first, rest, ok := cutLine(text)
	if !ok {
		return "", BadLine
	}
	if rest, err = r.fields(rest, h); err == nil && rest != "" {
		err = BadHeader
	}
	return first, err
}

// fields reads header or trailer lines up to the empty one, and returns what follows.
func (r *Room) fields(text string, h http.Header) (rest string, err error) {
	room := r.of(strings.Count(text, "\n"))
	for {
		line, after, ok := cutLine(text)
		if !ok {
			return "", BadLine
		}
		if text = after; line == "" {
			return text, nil
		}
		name, value, err := field(line)
		if err != nil {
			return "", err
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if before, there := h[name]; there {
			h[name] = append(before, value)
			continue
		}
		room[0] = value
		h[name], room = room[:1:1], room[1:]
	}
}

// Framing says how long the body of a message is, from its headers alone (RFC 9112,
// Section 6): length is -1 if they do not say. old is HTTP/1.0, which has no chunks.
func Framing(h http.Header, old bool) (length int64, chunked bool, err error) {
	lengths, codings := h["Content-Length"], h["Transfer-Encoding"]
	switch {
	case len(lengths) > 1:
		return 0, false, BadLength
	case len(codings) > 1, len(codings) == 1 && (len(lengths) > 0 || old || !strings.EqualFold(codings[0], "chunked")):
		return 0, false, BadTransfer
	case len(codings) == 1:
		return -1, true, nil
	case len(lengths) == 0:
		return -1, false, nil
	}
	length, ok := ParseLength(lengths[0])
	if !ok {
		return 0, false, BadLength
	}
	return length, false, nil
}

// ParseLength reads a Content-Length: digits, and nothing else.
func ParseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// cutLine cuts off the first line, without its CR LF; false if it does not end so, or has
// a bare CR, a NUL or another control character but the tab.
func cutLine(s string) (line, rest string, ok bool) {
	n := strings.IndexByte(s, '\n')
	if n < 1 || s[n-1] != '\r' {
		return "", "", false
	}
	line, rest = s[:n-1], s[n+1:]
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", "", false
		}
	}
	return line, rest, true
}

// field takes a header or trailer line apart: the name, and the value without the space
// around it.
func field(line string) (name, value string, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return "", "", BadFold
	}
	n := strings.IndexByte(line, ':')
	if n <= 0 {
		return "", "", BadHeader
	}
	if name = line[:n]; !IsName(name) {
		return "", "", BadHeader
	}
	switch len(name) {
	case len("content-length"), len("transfer-encoding"):
		if alike := Spelling(name); (alike == "content-length" || alike == "transfer-encoding") && !strings.EqualFold(name, alike) {
			return "", "", BadName
		}
	}
	return name, strings.Trim(line[n+1:], " \t"), nil
}

// IsName reports whether a header can have a name: a token (RFC 9110, Section 5.6.2).
func IsName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !Alphanumeric(c) && strings.IndexByte("-!#$%&'*+.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// Spelling returns a header's name as programs behind may read it: CGI and its heirs make
// an _ of whatever is no letter and no digit, so that Client_Cert and Client.Cert are
// Client-Cert to them. It is in small letters.
func Spelling(name string) string {
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z') && c != '-' && !('0' <= c && c <= '9') {
			return strings.Map(func(r rune) rune {
				switch {
				case 'A' <= r && r <= 'Z':
					return r + 'a' - 'A'
				case r < 0x80 && Alphanumeric(byte(r)):
					return r
				}
				return '-'
			}, name)
		}
	}
	return name
}

// AppendSpelling appends the [Spelling] of a name.
func AppendSpelling(b []byte, name string) []byte {
	start := len(b)
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 0x80:
			return append(b[:start], Spelling(name)...)
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case !Alphanumeric(c):
			c = '-'
		}
		b = append(b, c)
	}
	return b
}

// HasToken reports whether a header's comma-separated values have a token, in any case.
func HasToken(values []string, token string) bool {
	for _, list := range values {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.Trim(one, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// Alphanumeric reports whether c is an ASCII letter or digit.
func Alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
