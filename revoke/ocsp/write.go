package ocsp

import (
	"bytes"
	"time"

	"github.com/betonica/betonica/revoke/x690"
)

const generalizedTime = "20060102150405Z"

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
	mark := w.open(x690.GeneralizedTime)
	w.b = t.UTC().AppendFormat(w.b, generalizedTime)
	w.close(mark)
}

// integer writes the INTEGER whose value is that of these octets, high octet first.
func (w *writer) integer(octets []byte) {
	octets = bytes.TrimLeft(octets, "\x00")
	mark := w.open(x690.Integer)
	if len(octets) == 0 || octets[0] >= 0x80 {
		w.b = append(w.b, 0)
	}
	w.b = append(w.b, octets...)
	w.close(mark)
}
