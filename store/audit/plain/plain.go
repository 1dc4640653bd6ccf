// Package plain makes a stranger's text safe to write down: what comes out of [Clean]
// begins no line, moves no cursor, turns no text around and is valid UTF-8, whichever
// format it is put into. It does not escape for a format: whoever writes XML or JSON
// does that, with quotes, angle brackets and ampersands.
package plain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// More ends a text that was cut.
const More = "…"

// Clean returns s with whatever is not printable escaped ("\x0a", "\u202e"), in at most
// max bytes, which are at least 3: a longer text is cut at a whole character or a whole
// escape, and ends in [More]. To clean twice is to clean once. It allocates only where
// something is to be changed.
func Clean(s string, max int) string {
	if len(s) <= max && printable(s) {
		return s
	}
	var b strings.Builder
	end := 0 // of what leaves room for the mark
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case plain(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
		if b.Len() > max {
			return b.String()[:end] + More
		}
		if b.Len() <= max-len(More) {
			end = b.Len()
		}
	}
	return b.String()
}

func printable(s string) bool {
	for i, r := range s {
		if !plain(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// plain says whether r is what it looks like: neither control nor format character,
// which is what turns text around (Unicode, Cf), nor any space but the one.
func plain(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsPrint(r)
}
