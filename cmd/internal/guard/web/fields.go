package web

import (
	"bytes"
	"strings"
)

// fields are the headers that decide about framing, as they come by.
type fields struct {
	hosts, lengths, codings int
	upgrades                int
	host, length, coding    string
	upgrading, websocket    bool // Connection: upgrade, Upgrade: websocket
}

// add takes one header line.
func (f *fields) add(line []byte) error {
	name, value, err := field(line)
	if err != nil {
		return err
	}
	switch name {
	case "host":
		f.hosts, f.host = f.hosts+1, value
	case "content-length":
		f.lengths, f.length = f.lengths+1, value
	case "transfer-encoding":
		f.codings, f.coding = f.codings+1, value
	case "connection":
		f.upgrading = f.upgrading || hasToken(value, "upgrade")
	case "upgrade":
		f.upgrades++ // of several, the application may take another one than we
		f.websocket = f.upgrades == 1 && strings.EqualFold(value, "websocket")
	}
	return nil
}

// framing says how long the body is; old is HTTP/1.0, which has no chunks.
func (f *fields) framing(h *head, old bool) error {
	if f.lengths > 1 {
		return badLength
	}
	if f.codings > 0 {
		if f.codings > 1 || f.lengths > 0 || old || !strings.EqualFold(f.coding, "chunked") {
			return badTransfer
		}
		h.chunked = true
		return nil
	}
	if f.lengths == 0 {
		return nil
	}
	n, err := parseLength(f.length)
	if err != nil {
		return badLength
	}
	h.length = n
	return nil
}

// field takes a header or trailer line apart: the name in lower case, the value without
// the space around it.
func field(line []byte) (name, value string, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return "", "", badFold
	}
	n := bytes.IndexByte(line, ':')
	if n <= 0 {
		return "", "", badHeader
	}
	for _, c := range line[:n] {
		if !alphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 { // RFC 9110, Section 5.6.2
			return "", "", badHeader
		}
	}
	name = strings.ToLower(string(line[:n]))
	switch alike := spelling(name); alike {
	case "host", "content-length", "transfer-encoding":
		if name != alike {
			return "", "", badName
		}
	}
	return name, strings.Trim(string(line[n+1:]), " \t"), nil
}

// spelling returns a header's name as programs behind may read it: CGI and its heirs
// make an _ of whatever is no letter and no digit, so that Client_Cert and Client.Cert
// are Client-Cert to them.
func spelling(name string) string {
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z') && c != '-' && !('0' <= c && c <= '9') {
			return strings.Map(func(r rune) rune {
				switch {
				case 'A' <= r && r <= 'Z':
					return r + 'a' - 'A'
				case r < 0x80 && alphanumeric(byte(r)):
					return r
				}
				return '-'
			}, name)
		}
	}
	return name
}

// hasToken reports whether a comma-separated list has a token, in any case.
func hasToken(list, token string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(one, " \t"), token) {
			return true
		}
	}
	return false
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
