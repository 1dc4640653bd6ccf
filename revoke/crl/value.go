package crl

import "github.com/betonica/betonica/revoke/x690"

// readSerial reads a serial number, of at most 20 octets. RFC 5280 wants it positive;
// some CA's first certificate has zero.
func readSerial(r *x690.Reader) (s Serial) {
	octets := r.Unsigned("serial number", maxSerial)
	copy(s[maxSerial-len(octets):], octets)
	return s
}

// readNumber reads a CRL number, of which RFC 5280, Section 5.2.3 allows 20 octets. Ours
// end before 2^63, and so what is longer is not ours.
func readNumber(r *x690.Reader, field string) (n int64) {
	for _, c := range r.Unsigned(field, 8) {
		n = n<<8 | int64(c)
	}
	if n < 0 {
		r.Fail(field + " is above 2^63-1")
		return 0
	}
	return n
}
