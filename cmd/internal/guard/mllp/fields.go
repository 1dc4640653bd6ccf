package mllp

import "bytes"

// fields is a header segment, split lazily.
type fields struct {
	segment   []byte
	separator byte
	cut       bool // the last field is not there to its end
}

// parseSeparators reads the segment's name, MSH-1 and MSH-2 (HL7 v2.5.1, Sections
// 2.5.4 and 2.15.9). The separators must be printable ASCII, differ from each other, and
// be neither letters nor digits nor blanks, or the header had several readings.
func parseSeparators(segment []byte) (Header, fields, error) {
	var h Header
	if len(segment) < 5 {
		return h, fields{}, errNoHeader
	}
	switch string(segment[:3]) {
	case "MSH":
	case "BHS", "FHS":
		h.Batch = true
	default:
		return h, fields{}, errNoHeader
	}
	s := Separators{Field: segment[3]}
	encoding, _, _ := bytes.Cut(segment[4:], segment[3:4])
	s.Encoding = string(encoding[:min(len(encoding), 6)])
	if !s.sane() {
		return h, fields{}, errSeparators
	}
	h.Separators = s
	return h, fields{segment: segment, separator: s.Field}, nil
}

func (s Separators) sane() bool {
	all := string(s.Field) + s.Encoding
	if len(s.Encoding) < 1 || len(s.Encoding) > 5 {
		return false
	}
	for i := range len(all) {
		c := all[i]
		if c <= ' ' || c > '~' || word([]byte{c}) || bytes.IndexByte([]byte(all[:i]), c) >= 0 {
			return false
		}
	}
	return true
}

// at returns field n of MSH, of which the separator itself is the first.
func (f fields) at(n int) []byte {
	rest := f.segment
	for range n - 1 {
		i := bytes.IndexByte(rest, f.separator)
		if i < 0 {
			return nil
		}
		rest = rest[i+1:]
	}
	field, _, ended := bytes.Cut(rest, []byte{f.separator})
	if f.cut && !ended {
		return nil
	}
	return field
}

// name returns field n, and nothing if a control character is in it.
func (f fields) name(n int) string {
	if b := f.at(n); plain(b) {
		return string(b)
	}
	return ""
}

// check says whether there is a control character in the segment.
func (f fields) check() error {
	if !plain(f.segment) {
		return errControl
	}
	return nil
}

// plain says whether there is no control character in b. Bytes above 0x7f are of the
// message's character set, which the guard does not read.
func plain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
