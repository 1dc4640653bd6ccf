package ocsp

import (
	"bytes"
	"time"
)

// The identifier octets (X.690, Section 8.1.2) that OCSP uses.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagNull            = 0x05
	tagOID             = 0x06
	tagEnumerated      = 0x0a
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30

	primitive0 = 0x80 // [0] IMPLICIT of a primitive type
	primitive2 = 0x82
	context0   = 0xa0 // [0] EXPLICIT, or IMPLICIT of a constructed type
	context1   = 0xa1
	context2   = 0xa2
)

// A reader takes elements off the front of DER. Its first failure sticks: after it
// every read returns nothing, so that a caller looks at err once, at the end. It
// does not recurse; what nests is read by a reader of its own, or passed over whole.
type reader struct {
	b   []byte
	err *MalformedError
}

func (r *reader) fail(reason string) {
	if r.err == nil {
		r.err = &MalformedError{Reason: reason}
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

// nested is read for an element whose contents are elements themselves.
func (r *reader) nested(tag byte, field string) reader {
	body := r.read(tag, field)
	return reader{b: body, err: r.err}
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
	whole, body = r.b[:end:end], r.b[header:end:end]
	r.b = r.b[end:]
	return whole, body
}

// skip takes the element named field and looks at its tag only.
func (r *reader) skip(tag byte, field string) { r.read(tag, field) }

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

// document returns a reader of the contents of der, which must be one element.
func document(der []byte, name string) reader {
	r := reader{b: der}
	in := r.nested(tagSequence, name)
	r.end(name)
	in.join(&r)
	return in
}

// parseLength reads the identifier and length octets that b begins with: the
// definite form with the fewest octets (X.690, Section 10.1), below 16 MiB.
func parseLength(b []byte) (header, length int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	if b[1] < 0x80 {
		return 2, int(b[1]), true
	}
	n := int(b[1] & 0x7f)
	if n < 1 || n > 3 || len(b) < 2+n {
		return 0, 0, false
	}
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int(c)
	}
	return 2 + n, length, length >= 0x80 && length>>(8*(n-1)) > 0
}

const generalizedTime = "20060102150405Z"

// time reads a GeneralizedTime as RFC 5280, Section 4.1.2.5.2 has it: in UTC, with
// seconds and without fractions.
func (r *reader) time(field string) time.Time {
	body := r.read(tagGeneralizedTime, field)
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(generalizedTime, string(body))
	if err != nil || len(body) != len(generalizedTime) { // Parse lets a fraction pass
		r.fail(field + " is not of the form YYYYMMDDHHMMSSZ")
		return time.Time{}
	}
	return t
}

// A writer builds DER at the end of b. An element is opened with its tag, and its
// length is put in when it is closed.
type writer struct{ b []byte }

func (w *writer) open(tag byte) (mark int) {
	w.b = append(w.b, tag, 0)
	return len(w.b)
}

func (w *writer) close(mark int) {
	n := len(w.b) - mark
	if n < 0x80 {
		w.b[mark-1] = byte(n)
		return
	}
	octets := [...]byte{byte(n >> 16), byte(n >> 8), byte(n)} // no message is longer
	long := bytes.TrimLeft(octets[:], "\x00")
	w.b = append(w.b, long...) // makes room
	copy(w.b[mark+len(long):], w.b[mark:mark+n])
	copy(w.b[mark:], long)
	w.b[mark-1] = 0x80 | byte(len(long))
}

// add writes a whole element.
func (w *writer) add(tag byte, body ...byte) {
	mark := w.open(tag)
	w.b = append(w.b, body...)
	w.close(mark)
}

// raw writes elements that are DER already.
func (w *writer) raw(der []byte) { w.b = append(w.b, der...) }

func (w *writer) time(t time.Time) {
	mark := w.open(tagGeneralizedTime)
	w.b = t.UTC().AppendFormat(w.b, generalizedTime)
	w.close(mark)
}

// unsigned returns the octets of a non-negative INTEGER with these contents, without
// the zero that keeps a high bit from being a sign. It is nil if the contents are
// negative or not the shortest.
func unsigned(body []byte) []byte {
	switch {
	case len(body) == 0, body[0] >= 0x80:
		return nil
	case len(body) > 1 && body[0] == 0:
		if body[1] < 0x80 {
			return nil
		}
		return body[1:]
	}
	return body
}

// integer writes the INTEGER whose value is that of these octets, high octet first.
func (w *writer) integer(octets []byte) {
	octets = bytes.TrimLeft(octets, "\x00")
	mark := w.open(tagInteger)
	if len(octets) == 0 || octets[0] >= 0x80 {
		w.b = append(w.b, 0)
	}
	w.b = append(w.b, octets...)
	w.close(mark)
}
