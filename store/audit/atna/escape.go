package atna

import (
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string in US-ASCII (RFC 8259, Section 7). What HTML
// would take for markup is escaped, too.
func appendString(b []byte, s text) []byte {
	b = append(b, '"')
	for i, start := 0, 0; ; i++ {
		if i == len(s) {
			return append(append(b, s[start:]...), '"')
		}
		if c := s[i]; ' ' <= c && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			continue
		}
		b = append(b, s[start:i]...)
		r, n := runeAt(s, i)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		default:
			b = appendEscape(b, r)
		}
		i += n - 1
		start = i + 1
	}
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendXML appends s as the value of an attribute or the text of an element, in US-ASCII
// (XML 1.0, Section 4.1).
func appendXML(b []byte, s text) []byte {
	for i, start := 0, 0; ; i++ {
		if i == len(s) {
			return append(b, s[start:]...)
		}
		if c := s[i]; ' ' <= c && c <= '~' && c != '"' && c != '\'' && c != '<' && c != '>' && c != '&' {
			continue
		}
		b = append(b, s[start:i]...)
		r, n := runeAt(s, i)
		b = append(b, "&#x"...)
		for shift, begun := 20, false; shift >= 0; shift -= 4 {
			if d := r >> shift & 15; d != 0 || begun || shift == 0 {
				b, begun = append(b, hexDigits[d]), true
			}
		}
		b = append(b, ';')
		i += n - 1
		start = i + 1
	}
}

// runeAt returns the character at i, and how many bytes it has.
func runeAt(s text, i int) (rune, int) {
	if s[i] < utf8.RuneSelf {
		return rune(s[i]), 1
	}
	return utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
}
