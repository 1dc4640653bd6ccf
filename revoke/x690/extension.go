package x690

import (
	"bytes"
	"fmt"
	"slices"
)

// maxExtensions bounds what finding a repeated extension costs.
const maxExtensions = 16

// An Extension is what RFC 5280, Section 4.1 calls so.
type Extension struct {
	OID      []byte // contents
	Critical bool
	Value    []byte
}

// Extensions reads Extensions, whose header is read already, and calls known for each
// with a Reader of its value, which known is to read to its end. One that known does
// not know must not be critical (RFC 5280, Section 5.2, RFC 6960, Section 4.4): it is
// refused with an error that wraps unknown; nil: such a text is malformed. None may come
// twice.
func (r *Reader) Extensions(field string, unknown error, known func(value *Reader, e Extension) bool) {
	if r.Err == nil && len(r.B) == 0 {
		r.Fail(field + " is empty")
	}
	var seen [maxExtensions][]byte
	for n := 0; len(r.B) > 0; n++ {
		e := r.extension(field)
		switch {
		case r.Err != nil:
			return
		case n == maxExtensions:
			r.Fail(field + " has too many extensions")
			return
		case slices.ContainsFunc(seen[:n], func(oid []byte) bool { return bytes.Equal(oid, e.OID) }):
			r.Fail(field + " has an extension twice")
			return
		}
		seen[n] = e.OID
		value := Reader{B: e.Value}
		if known(&value, e) {
			value.End("the value in " + field)
			r.Join(&value)
		} else if e.Critical && unknown != nil {
			r.Refuse(fmt.Errorf("%w: an extension in %s", unknown, field))
		} else if e.Critical {
			r.Fail(field + " has an unknown critical extension")
		}
	}
}

func (r *Reader) extension(field string) Extension {
	in := r.Nested(Sequence, field)
	e := Extension{OID: in.OID("extension's identifier")}
	e.Critical = in.Flag(Boolean, "critical")
	e.Value = in.Read(OctetString, "extension's value")
	in.End("extension")
	r.Join(&in)
	return e
}
