package ocsp

import (
	"bytes"
	"slices"
)

// The contents of the OIDs below id-pkix-ocsp, 1.3.6.1.5.5.7.48.1.
const (
	oidBasic          = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
	oidNonce          = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"
	oidResponses      = "\x2b\x06\x01\x05\x05\x07\x30\x01\x04" // acceptable responses
	oidExtendedRevoke = "\x2b\x06\x01\x05\x05\x07\x30\x01\x09"
)

// maxNonce is the longest nonce, in octets (RFC 9654, Section 2.1).
const maxNonce = 128

// maxExtensions bounds what finding a repeated extension costs.
const maxExtensions = 16

// An extension is what RFC 5280, Section 4.1 calls so.
type extension struct {
	oid      []byte
	critical bool
	value    []byte
}

// extensions reads Extensions under an explicit tag, and calls known for each; one
// that known does not know must not be critical (RFC 6960, Section 4.4), and none may
// come twice.
func (r *reader) extensions(tag byte, field string, known func(*reader, extension) bool) {
	if !r.next(tag) {
		return
	}
	outer := r.nested(tag, field)
	list := outer.nested(tagSequence, field)
	outer.end(field)
	if outer.err == nil && len(list.b) == 0 {
		list.fail(field + " is empty")
	}
	var seen [maxExtensions][]byte
	for n := 0; len(list.b) > 0; n++ {
		e := list.extension(field)
		switch {
		case list.err != nil:
		case n == maxExtensions:
			list.fail(field + " has too many extensions")
		case slices.ContainsFunc(seen[:n], func(oid []byte) bool { return bytes.Equal(oid, e.oid) }):
			list.fail(field + " has an extension twice")
		case !known(&list, e) && e.critical:
			list.fail(field + " has an unknown critical extension")
		default:
			seen[n] = e.oid
		}
	}
	outer.join(&list)
	r.join(&outer)
}

func (r *reader) extension(field string) extension {
	in := r.nested(tagSequence, field)
	e := extension{oid: in.oid("extension's identifier")}
	if in.next(tagBoolean) {
		e.critical = true
		if !bytes.Equal(in.read(tagBoolean, "critical"), []byte{0xff}) {
			in.fail("critical is neither TRUE nor absent")
		}
	}
	e.value = in.read(tagOctetString, "extension's value")
	in.end("extension")
	r.join(&in)
	return e
}

// none knows no extension.
func none(*reader, extension) bool { return false }

// nonce reads the value of a nonce extension: an OCTET STRING of 1 to 128 octets.
func (r *reader) nonce(value []byte) []byte {
	in := reader{b: value}
	nonce := in.read(tagOctetString, "nonce")
	in.end("nonce")
	if in.err == nil && (len(nonce) < 1 || len(nonce) > maxNonce) {
		in.fail("nonce does not have 1 to 128 octets")
	}
	r.join(&in)
	return nonce
}

// extension writes an extension that is not critical.
func (w *writer) extension(oid string, value func()) {
	mark := w.open(tagSequence)
	w.add(tagOID, []byte(oid)...)
	octets := w.open(tagOctetString)
	value()
	w.close(octets)
	w.close(mark)
}

func (w *writer) nonce(nonce []byte) {
	w.extension(oidNonce, func() { w.add(tagOctetString, nonce...) })
}
