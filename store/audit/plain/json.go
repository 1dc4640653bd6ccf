package plain

import (
	"io"
	"unicode/utf8"
)

// JSONWriter returns a writer that leaves JSON the same JSON, and safe to print: package
// encoding/json writes format characters and C1 controls as they came. Each Write is
// whole documents, such as the lines of a [log/slog.JSONHandler].
func JSONWriter(to io.Writer) io.Writer { return jsonWriter{to} }

type jsonWriter struct{ to io.Writer }

func (w jsonWriter) Write(p []byte) (int, error) {
	if _, err := w.to.Write(escapeJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escapeJSON escapes what is not printable. In JSON, it can only stand in strings.
func escapeJSON(p []byte) []byte {
	at := 0
	for at < len(p) && (p[at] == '\n' || ' ' <= p[at] && p[at] <= '~') {
		at++
	}
	if at == len(p) {
		return p
	}
	b := append(make([]byte, 0, len(p)+64), p[:at]...)
	for at < len(p) {
		r, n := utf8.DecodeRune(p[at:])
		switch {
		case r == '\n' || plain(r):
			b = append(b, p[at:at+n]...)
		case r > 0xffff: // as UTF-16 (RFC 8259, Section 7)
			b = appendEscape(appendEscape(b, 0xd800+(r-0x10000)>>10), 0xdc00+(r-0x10000)&0x3ff)
		default:
			b = appendEscape(b, r)
		}
		at += n
	}
	return b
}

func appendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
