package crl

import "time"

// The identifier octets (X.690, Section 8.1.2) that a CRL uses.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagEnumerated      = 0x0a
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30

	primitive0 = 0x80 // [0] IMPLICIT of a primitive type
	context0   = 0xa0 // [0] EXPLICIT, or IMPLICIT of a constructed type
)

// A reader takes elements off the front of DER. Its first failure sticks: after it
// every read returns nothing, so that a caller looks at err once, at the end. It
// does not recurse; what nests is read by a reader of its own, or passed over whole.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(reason string) { r.refuse(&MalformedError{Reason: reason}) }

func (r *reader) refuse(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// next reports whether an element with this tag comes next.
func (r *reader) next(tag byte) bool { return len(r.b) > 0 && r.b[0] == tag }

// read takes the element named field, which must have this tag, and returns its
// contents.
func (r *reader) read(tag byte, field string) []byte {
	_, body := r.element(tag, field)
	return body
}

// element is read, and returns the element's own octets too.
func (r *reader) element(tag byte, field string) (whole, body []byte) {
	if !r.next(tag) {
		r.fail(field + " is missing or of another type")
		return nil, nil
	}
	header, length, ok := parseLength(r.b)
	if !ok || length > len(r.b)-header {
		r.fail(field + " has a wrong length")
		return nil, nil
	}
	end := header + length
	whole, body = r.b[:end], r.b[header:end]
	r.b = r.b[end:]
	return whole, body
}

// nested is read for an element whose contents are elements themselves.
func (r *reader) nested(tag byte, field string) reader {
	body := r.read(tag, field)
	return reader{b: body, err: r.err}
}

// oid reads the contents of an OBJECT IDENTIFIER: whole arcs, each in its shortest
// form (X.690, Section 8.19), and below 2^28 as RFC 5280, Appendix B has them.
func (r *reader) oid(field string) []byte {
	body := r.read(tagOID, field)
	octets := 0 // of the arc so far
	for _, c := range body {
		if octets++; octets > 4 || octets == 1 && c == 0x80 {
			r.fail(field + " has an arc that is too large or not in its shortest form")
			return nil
		}
		if c < 0x80 {
			octets = 0
		}
	}
	if r.err == nil && (len(body) == 0 || octets > 0) {
		r.fail(field + " ends within an arc")
	}
	return body
}

// end demands that nothing is left of what.
func (r *reader) end(what string) {
	if len(r.b) > 0 {
		r.fail(what + " has more elements than it should")
	}
}

// join makes a failure of inner, which read a part of what r read, one of r's own.
func (r *reader) join(inner *reader) {
	if inner.err != nil {
		r.err, r.b = inner.err, nil
	}
}

// parseLength reads the identifier and length octets that b begins with: the
// definite form with the fewest octets (X.690, Section 10.1), below 2 GiB.
func parseLength(b []byte) (header, length int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	if b[1] < 0x80 {
		return 2, int(b[1]), true
	}
	n := int(b[1] & 0x7f)
	if n < 1 || n > 4 || len(b) < 2+n || b[2] == 0 || n == 4 && b[2] >= 0x80 {
		return 0, 0, false
	}
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int(c)
	}
	return 2 + n, length, length >= 0x80
}

// serial reads a serial number: not negative, in its shortest form, of at most 20
// octets. RFC 5280 wants it positive; some CA's first certificate has zero.
func (r *reader) serial() (s Serial) {
	body := r.read(tagInteger, "serial number")
	switch {
	case r.err != nil:
	case len(body) == 0, body[0] >= 0x80, len(body) > 1 && body[0] == 0 && body[1] < 0x80:
		r.fail("serial number is negative or not in its shortest form")
	default:
		var err error
		if s, err = SerialOf(body); err != nil {
			r.fail("serial number has more than 20 octets")
		}
	}
	return s
}

// number reads a CRL number, of which RFC 5280, Section 5.2.3 allows 20 octets. Ours
// end before 2^63, and so what is longer is not ours.
func (r *reader) number(field string) (n int64) {
	body := r.read(tagInteger, field)
	switch {
	case r.err != nil:
	case len(body) == 0, body[0] >= 0x80, len(body) > 1 && body[0] == 0 && body[1] < 0x80:
		r.fail(field + " is negative or not in its shortest form")
	case len(body) > 8:
		r.fail(field + " is above 2^63-1")
	}
	if r.err != nil {
		return 0
	}
	for _, c := range body {
		n = n<<8 | int64(c)
	}
	return n
}

// time reads a Time as RFC 5280, Section 5.1.2.4 has it: UTCTime through 2049 and
// GeneralizedTime from 2050 on, in UTC, with seconds and without fractions.
func (r *reader) time(field string) time.Time {
	tag, yearDigits := byte(tagUTCTime), 2
	if r.next(tagGeneralizedTime) {
		tag, yearDigits = tagGeneralizedTime, 4
	}
	body := r.read(tag, field)
	if r.err != nil {
		return time.Time{}
	}
	t, ok := parseTime(body, yearDigits)
	if !ok || (tag == tagGeneralizedTime) != (t.Year() >= firstGeneralized) {
		r.fail(field + " is not a time in the form that its year asks for")
		return time.Time{}
	}
	return t
}

// firstGeneralized is the first year that UTCTime cannot name.
const firstGeneralized = 2050

// parseTime reads a year of so many digits and then MMDDHHMMSSZ. By hand, since a list
// has a million of them.
func parseTime(b []byte, yearDigits int) (time.Time, bool) {
	last := yearDigits + len("MMDDHHMMSS")
	if len(b) != last+1 || b[last] != 'Z' || !isDigits(b[:last]) {
		return time.Time{}, false
	}
	year, b := digits(b[:yearDigits]), b[yearDigits:]
	if yearDigits == 2 {
		year += 1900
		if year < firstGeneralized-100 {
			year += 100
		}
	}
	month, day := digits(b[:2]), digits(b[2:4])
	hour, minute, second := digits(b[4:6]), digits(b[6:8]), digits(b[8:10])
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	_, m, d := t.Date() // differs where the calendar has no such day, or the day no such hour
	return t, int(m) == month && d == day && minute < 60 && second < 60
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func digits(b []byte) (n int) {
	for _, c := range b {
		n = 10*n + int(c-'0')
	}
	return n
}
