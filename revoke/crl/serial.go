package crl

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// maxSerial is the longest serial number, in octets (RFC 5280, Section 4.1.2.2).
const maxSerial = 20

// A Serial is a certificate's serial number: the number's octets, high octet first,
// with zeros before them. Serials are comparable with ==.
type Serial [maxSerial]byte

// SerialOf takes a number's octets, high octet first, at most 20 and with or without
// leading zeros: 16 random octets, or what [math/big.Int.Bytes] returns.
func SerialOf(octets []byte) (Serial, error) {
	var s Serial
	octets = bytes.TrimLeft(octets, "\x00")
	if len(octets) > len(s) {
		return s, fmt.Errorf("serial number of %d octets; it must have at most %d", len(octets), len(s))
	}
	copy(s[len(s)-len(octets):], octets)
	return s, nil
}

// Bytes returns the number's octets without leading zeros; none for zero.
func (s Serial) Bytes() []byte { return bytes.TrimLeft(s[:], "\x00") }

// String returns the number in hexadecimal digits, an even count of them, without
// leading zero octets: "0" for zero is "00".
func (s Serial) String() string {
	if s == (Serial{}) {
		return "00"
	}
	return hex.EncodeToString(s.Bytes())
}
