package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What the CA, a certificate or a log entry says may have been written by
// somebody who hopes that it reaches a terminal: an escape sequence that hides a
// line, a mark that turns text around. None of it is shown raw.

// active reports whether a terminal may act on r instead of showing it.
func active(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// clean returns s with everything visible: what is active, and what is
// not UTF-8, as an escape.
func clean(s string) string { return escape(s, "", textEscape) }

// cleanJSON returns JSON that is the same JSON, and safe to print: what
// encoding/json leaves raw can only stand inside strings.
func cleanJSON(b []byte) string { return escape(string(b), "\n", jsonEscape) }

func escape(s, keep string, how func(r rune, raw string) string) string {
	safe := func(r rune) bool { return r != utf8.RuneError && !active(r) || strings.ContainsRune(keep, r) }
	if strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n > 1 || safe(r) {
			b.WriteString(s[:n])
		} else {
			b.WriteString(how(r, s[:n]))
		}
		s = s[n:]
	}
	return b.String()
}

func textEscape(r rune, raw string) string {
	switch {
	case r == utf8.RuneError, r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, raw)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func jsonEscape(r rune, _ string) string {
	if r > 0xffff { // as UTF-16 (RFC 8259, Section 7)
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// A cleanWriter writes lines of text that are safe to show. Each Write is a
// text of its own.
type cleanWriter struct{ to io.Writer }

func (w *cleanWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, escape(string(p), "\n\t", textEscape)); err != nil {
		return 0, err
	}
	return len(p), nil
}
