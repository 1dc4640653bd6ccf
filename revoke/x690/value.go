package x690

import (
	"bytes"
	"time"
)

// OID reads the contents of an OBJECT IDENTIFIER: whole arcs, each in its shortest
// form (X.690, Section 8.19), and below 2^28 as RFC 5280, Appendix B has them.
func (r *Reader) OID(field string) []byte {
	body := r.Read(OID, field)
	octets := 0 // of the arc so far
	for _, c := range body {
		if octets++; octets > 4 || octets == 1 && c == 0x80 {
			r.Fail(field + " has an arc that is too large or not in its shortest form")
			return nil
		}
		if c < 0x80 {
			octets = 0
		}
	}
	if r.Err == nil && (len(body) == 0 || octets > 0) {
		r.Fail(field + " ends within an arc")
	}
	return body
}

// Octets reads a BIT STRING that is a whole number of octets, at least one, such as a
// key or a signature.
func (r *Reader) Octets(field string) []byte {
	bits := r.Read(BitString, field)
	if r.Err != nil {
		return nil
	}
	if len(bits) < 2 || bits[0] != 0 {
		r.Fail(field + " is not a whole number of octets")
		return nil
	}
	return bits[1:]
}

// Unsigned reads an INTEGER that is not negative, in its shortest form, of at most most
// octets, and returns them, high octet first and without leading zeros: zero has none.
func (r *Reader) Unsigned(field string, most int) []byte {
	body := r.Read(Integer, field)
	if r.Err != nil {
		return nil
	}
	if len(body) == 0 || body[0] >= 0x80 || len(body) > 1 && body[0] == 0 && body[1] < 0x80 {
		r.Fail(field + " is negative or not in its shortest form")
		return nil
	}
	if body[0] == 0 {
		body = body[1:]
	}
	if len(body) > most {
		r.Fail(field + " is too large")
		return nil
	}
	return body
}

// Flag reads a BOOLEAN whose default is FALSE, which DER leaves out.
func (r *Reader) Flag(tag byte, field string) bool {
	if !r.Next(tag) {
		return false
	}
	if !bytes.Equal(r.Read(tag, field), []byte{0xff}) {
		r.Fail(field + " is neither TRUE nor absent")
	}
	return true
}

// FirstGeneralized is the first year that UTCTime cannot name.
const FirstGeneralized = 2050

// Time reads a Time as RFC 5280, Section 5.1.2.4 has it: UTCTime through 2049 and
// GeneralizedTime from 2050 on, in UTC, with seconds and without fractions.
func (r *Reader) Time(field string) time.Time {
	tag, yearDigits := byte(UTCTime), 2
	if r.Next(GeneralizedTime) {
		tag, yearDigits = GeneralizedTime, 4
	}
	t, ok := parseTime(r.Read(tag, field), yearDigits)
	if r.Err == nil && (!ok || (tag == GeneralizedTime) != (t.Year() >= FirstGeneralized)) {
		r.Fail(field + " is not a time in the form that its year asks for")
	}
	return t
}

// GeneralizedTime reads a GeneralizedTime as RFC 5280, Section 4.1.2.5.2 has it, of any
// year: in UTC, with seconds and without fractions.
func (r *Reader) GeneralizedTime(field string) time.Time {
	t, ok := parseTime(r.Read(GeneralizedTime, field), 4)
	if r.Err == nil && !ok {
		r.Fail(field + " is not of the form YYYYMMDDHHMMSSZ")
	}
	return t
}

// parseTime reads a year of so many digits and then MMDDHHMMSSZ. By hand, since a list
// has a million of them. What is no time is the zero one.
func parseTime(b []byte, yearDigits int) (time.Time, bool) {
	last := yearDigits + len("MMDDHHMMSS")
	if len(b) != last+1 || b[last] != 'Z' || !isDigits(b[:last]) {
		return time.Time{}, false
	}
	year, b := digits(b[:yearDigits]), b[yearDigits:]
	if yearDigits == 2 {
		year += 1900
		if year < FirstGeneralized-100 {
			year += 100
		}
	}
	month, day := digits(b[:2]), digits(b[2:4])
	hour, minute, second := digits(b[4:6]), digits(b[6:8]), digits(b[8:10])
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	_, m, d := t.Date() // differs where the calendar has no such day, or the day no such hour
	if int(m) != month || d != day || minute >= 60 || second >= 60 {
		return time.Time{}, false
	}
	return t, true
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
