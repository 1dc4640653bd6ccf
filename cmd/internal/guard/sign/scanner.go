package sign

import (
	"strconv"
	"strings"
	"time"
)

// A scanner reads structured fields (RFC 9651, Section 4.2) from the left. After what is
// malformed it is bad, and reads nothing more.
type scanner struct {
	rest string
	bad  bool
}

func (s *scanner) skip(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		s.bad = true
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }

// take reads bytes of a kind.
func (s *scanner) take(kind func(byte) bool) string {
	n := 0
	for n < len(s.rest) && kind(s.rest[n]) {
		n++
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}

// key reads a key (Section 3.1.2).
func (s *scanner) key() string {
	name := s.take(func(c byte) bool {
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("_-.*", c) >= 0
	})
	if name == "" || '0' <= name[0] && name[0] <= '9' || name[0] == '-' || name[0] == '.' || name[0] == '_' {
		s.bad = true
	}
	return name
}

// text reads a string without escapes, which none of ours has (Section 3.3.3).
func (s *scanner) text() string {
	if !s.skip('"') {
		return ""
	}
	text := s.take(func(c byte) bool { return ' ' <= c && c < 0x7f && c != '"' && c != '\\' })
	if !s.skip('"') || len(text) > maxString {
		s.bad = true
	}
	return text
}

// second reads an integer that is a time.
func (s *scanner) second() time.Time {
	digits := s.take(func(c byte) bool { return '0' <= c && c <= '9' })
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) > 12 || len(digits) > 1 && digits[0] == '0' {
		s.bad = true
	}
	return time.Unix(n, 0)
}

// innerList reads the list of components with the parameters behind it. Parameters of
// a component change what it means, and are refused; so are those of the list that
// RFC 9421, Section 2.3, does not name, and any one twice.
func (s *scanner) innerList() Input {
	var in Input
	from := s.rest
	s.skip('(')
	for !s.bad && s.rest != "" && s.rest[0] != ')' {
		if len(in.Components) > 0 && !s.skip(' ') || len(in.Components) == maxComponents {
			s.bad = true
			return Input{}
		}
		in.Components = append(in.Components, s.text())
	}
	s.skip(')')
	seen := map[string]bool{}
	for !s.bad && strings.HasPrefix(s.rest, ";") {
		s.rest = s.rest[1:]
		name := s.key()
		s.skip('=')
		if s.bad || seen[name] {
			s.bad = true
			return Input{}
		}
		seen[name] = true
		switch name {
		case "created":
			in.Created = s.second()
		case "expires":
			in.Expires = s.second()
		case "nonce":
			in.Nonce = s.text()
		case "keyid":
			in.KeyID = s.text()
		case "alg":
			in.Algorithm = s.text()
		case "tag":
			in.Tag = s.text()
		default:
			s.bad = true
		}
	}
	in.text = from[:len(from)-len(s.rest)]
	return in
}
