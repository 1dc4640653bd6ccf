package crl

import (
	"bytes"
	"slices"
	"time"

	"github.com/betonica/betonica/revoke/x690"
)

// DER is written from the inside out: an element's contents are there before its
// length is, but for the list of entries, whose length is counted first.

// element returns a whole element.
func element(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return append(header(tag, len(body)), body...)
}

// header returns the identifier and length octets of an element whose contents have
// n octets.
func header(tag byte, n int) []byte {
	if n < 0x80 {
		return []byte{tag, byte(n)}
	}
	octets := []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	octets = bytes.TrimLeft(octets, "\x00")
	return append([]byte{tag, 0x80 | byte(len(octets))}, octets...)
}

// integer returns the INTEGER with the value of these octets, high octet first.
func integer(octets []byte) []byte {
	octets = bytes.TrimLeft(octets, "\x00")
	if len(octets) == 0 || octets[0] >= 0x80 {
		octets = append([]byte{0}, octets...)
	}
	return element(x690.Integer, octets)
}

// moment returns a Time (RFC 5280, Section 5.1.2.4).
func moment(t time.Time) []byte { return appendTime(nil, t) }

func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < x690.FirstGeneralized {
		b = append(b, x690.UTCTime, 13)
	} else {
		b = append(b, x690.GeneralizedTime, 15)
		b = appendDigits(b, year/100)
	}
	for _, n := range [...]int{year % 100, int(month), day, hour, minute, second} {
		b = appendDigits(b, n)
	}
	return append(b, 'Z')
}

func appendDigits(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// reasonExtension is crlEntryExtensions with a reasonCode, but for its value, which
// is the last octet.
const reasonExtension = "\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01"

// length returns how many octets appendEntry writes after the header of two.
func (r *record) length() int {
	n := 2 + r.serialLength() + 2 + len("YYMMDDHHMMSSZ")
	if r.at >= generalizedFrom {
		n += 2
	}
	if r.reason != Unspecified {
		n += len(reasonExtension) + 1
	}
	return n
}

// generalizedFrom is the first second of 2050, in Unix time.
const generalizedFrom = 2524608000

func (r *record) serialLength() int {
	for i, c := range r.serial {
		if c >= 0x80 {
			return len(r.serial) - i + 1
		}
		if c > 0 {
			return len(r.serial) - i
		}
	}
	return 1
}

// appendEntry writes one element of revokedCertificates. The reason unspecified is
// left out (RFC 5280, Section 5.3.1).
func (r *record) appendEntry(b []byte) []byte {
	b = append(b, x690.Sequence, byte(r.length())) // below 128
	n := r.serialLength()
	b = append(b, x690.Integer, byte(n))
	if n > len(r.serial) { // 20 octets and a zero, lest the first be a sign
		b, n = append(b, 0), len(r.serial)
	}
	b = append(b, r.serial[len(r.serial)-n:]...)
	b = appendTime(b, time.Unix(int64(r.at), 0).UTC())
	if r.reason != Unspecified {
		b = append(b, reasonExtension...)
		b = append(b, byte(r.reason))
	}
	return b
}
