package crl

import (
	"bytes"
	"fmt"
	"slices"
)

// The contents of the OIDs of the extensions, 2.5.29.n.
const (
	oidNumber         = "\x55\x1d\x14"
	oidReason         = "\x55\x1d\x15"
	oidDelta          = "\x55\x1d\x1b" // deltaCRLIndicator
	oidScope          = "\x55\x1d\x1c" // issuingDistributionPoint
	oidAuthorityKeyID = "\x55\x1d\x23"
	oidFreshest       = "\x55\x1d\x2e" // freshestCRL
)

// maxExtensions bounds what finding a repeated extension costs.
const maxExtensions = 16

// An extension is what RFC 5280, Section 4.1 calls so.
type extension struct {
	oid      []byte
	critical bool
	value    []byte
}

// extensions reads Extensions, whose header is read already, and calls known for each
// with a reader of its value, which known is to read to its end. One that known does
// not know must not be critical (RFC 5280, Section 5.2), and none may come twice.
func (r *reader) extensions(field string, known func(value *reader, e extension) bool) {
	if r.err == nil && len(r.b) == 0 {
		r.fail(field + " is empty")
	}
	var seen [maxExtensions][]byte
	for n := 0; len(r.b) > 0; n++ {
		e := r.extension(field)
		switch {
		case r.err != nil:
			return
		case n == maxExtensions:
			r.fail(field + " has too many extensions")
			return
		case slices.ContainsFunc(seen[:n], func(oid []byte) bool { return bytes.Equal(oid, e.oid) }):
			r.fail(field + " has an extension twice")
			return
		}
		seen[n] = e.oid
		value := reader{b: e.value}
		if known(&value, e) {
			value.end("the value in " + field)
			r.join(&value)
		} else if e.critical {
			r.refuse(fmt.Errorf("%w: an extension in %s", ErrUnsupported, field))
		}
	}
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

// encode returns the extension in DER.
func (e extension) encode() []byte {
	var critical []byte
	if e.critical {
		critical = []byte{tagBoolean, 1, 0xff}
	}
	return element(tagSequence, element(tagOID, e.oid), critical, element(tagOctetString, e.value))
}
