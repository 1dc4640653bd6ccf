package dicom

import "strings"

const (
	maxUID = 64 // characters (PS3.5, Section 9.1)
	aeSize = 16 // bytes of an AE title on the wire
)

// parseUID reads a unique identifier: digits and dots, without the NUL that pads it
// to an even length, or the space that some pad it with.
func parseUID(b []byte) (string, error) {
	if n := len(b); n > 0 && (b[n-1] == 0 || b[n-1] == ' ') {
		b = b[:n-1]
	}
	if len(b) == 0 || len(b) > maxUID {
		return "", malformed("UID of %d characters", len(b))
	}
	dot := true // as if one stood before the first
	for _, c := range b {
		if c != '.' && (c < '0' || c > '9') || c == '.' && dot {
			return "", malformed("UID %.70q", b)
		}
		dot = c == '.'
	}
	if dot {
		return "", malformed("UID %.70q", b)
	}
	return string(b), nil
}

// parseAE reads an application entity title: at most 16 characters of ASCII without
// control characters and backslash, of which spaces at either end do not count (PS3.5,
// Section 6.2). One of spaces only is none.
func parseAE(b []byte) (string, error) {
	if len(b) > aeSize {
		return "", malformed("AE title of %d characters", len(b))
	}
	for _, c := range b {
		if c < ' ' || c > '~' || c == '\\' {
			return "", malformed("AE title %.20q", b)
		}
	}
	s := strings.Trim(string(b), " ")
	if s == "" {
		return "", malformed("AE title of spaces only")
	}
	return s, nil
}

// appendAE writes an AE title in its 16 bytes.
func appendAE(b []byte, title string) []byte {
	b = append(b, title...)
	for range aeSize - len(title) {
		b = append(b, ' ')
	}
	return b
}
