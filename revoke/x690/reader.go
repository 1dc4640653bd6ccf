// Package x690 reads DER (X.690), of which OCSP messages and CRLs are made, and
// refuses whatever has not its one canonical form.
//
// A [Reader] makes no copy and allocates nothing: what it returns shares the bytes
// that it reads, which must not be changed meanwhile. It does not recurse, and so
// takes no more stack for what is nested a thousand times.
package x690

// The identifier octets (X.690, Section 8.1.2) that OCSP and CRLs use.
const (
	Boolean         = 0x01
	Integer         = 0x02
	BitString       = 0x03
	OctetString     = 0x04
	Null            = 0x05
	OID             = 0x06
	Enumerated      = 0x0a
	UTCTime         = 0x17
	GeneralizedTime = 0x18
	Sequence        = 0x30

	Primitive0 = 0x80 // [0] IMPLICIT of a primitive type
	Primitive1 = 0x81
	Primitive2 = 0x82
	Primitive6 = 0x86
	Context0   = 0xa0 // [0] EXPLICIT, or IMPLICIT of a constructed type
	Context1   = 0xa1
	Context2   = 0xa2
)

// A MalformedError reports bytes that are not DER, or not of the structure that they
// should have.
type MalformedError struct {
	Reason string // names the field; holds none of the bytes
}

func (e *MalformedError) Error() string { return "malformed DER: " + e.Reason }

// A Reader takes elements off the front of B. Its first failure sticks: after it every
// read returns nothing, so that a caller looks at Err once, at the end. What nests is
// read by a Reader of its own, see [Reader.Nested], or passed over whole.
type Reader struct {
	B   []byte
	Err error // of Fail a [*MalformedError]
}

// Document returns a Reader of the contents of text, which must be one SEQUENCE.
func Document(text []byte, name string) Reader {
	r := Reader{B: text}
	in := r.Nested(Sequence, name)
	r.End(name)
	in.Join(&r)
	return in
}

// Fail ends the reading, for the text is malformed.
func (r *Reader) Fail(reason string) { r.Refuse(&MalformedError{Reason: reason}) }

// Refuse ends the reading for another reason.
func (r *Reader) Refuse(err error) {
	if r.Err == nil {
		r.Err = err
	}
	r.B = nil
}

// Next reports whether an element with this tag comes next.
func (r *Reader) Next(tag byte) bool { return len(r.B) > 0 && r.B[0] == tag }

// Read takes the element named field, which must have this tag, and returns its
// contents.
func (r *Reader) Read(tag byte, field string) []byte {
	_, body := r.Element(tag, field)
	return body
}

// Element is Read, and returns the element's own octets too.
func (r *Reader) Element(tag byte, field string) (whole, body []byte) {
	if !r.Next(tag) {
		r.Fail(field + " is missing or of another type")
		return nil, nil
	}
	header, length, ok := parseLength(r.B)
	if !ok || length > len(r.B)-header {
		r.Fail(field + " has a wrong length")
		return nil, nil
	}
	end := header + length
	whole, body = r.B[:end:end], r.B[header:end:end]
	r.B = r.B[end:]
	return whole, body
}

// Nested is Read for an element whose contents are elements themselves. What its Reader
// meets is to be handed back with Join.
func (r *Reader) Nested(tag byte, field string) Reader {
	body := r.Read(tag, field)
	return Reader{B: body, Err: r.Err}
}

// Skip takes the element named field and looks at its tag only.
func (r *Reader) Skip(tag byte, field string) { r.Read(tag, field) }

// Pass takes all that is left, whatever it is.
func (r *Reader) Pass() { r.B = nil }

// End demands that nothing is left of what.
func (r *Reader) End(what string) {
	if len(r.B) > 0 {
		r.Fail(what + " has more elements than it should")
	}
}

// Join makes a failure of inner, which read a part of what r read, one of r's own.
func (r *Reader) Join(inner *Reader) {
	if inner.Err != nil {
		r.Err, r.B = inner.Err, nil
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
