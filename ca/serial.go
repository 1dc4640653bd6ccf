package ca

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"time"
)

// newSerial returns a serial number of 16 bytes: 48 bits of Unix milliseconds, so
// that serials made together lie together in an index, then 80 random bits, more
// than the 64 that make a collision attack on the signature's hash hopeless. It is
// positive and at most 16 octets in DER (RFC 5280, Section 4.1.2.2: at most 20).
func newSerial(now time.Time) *big.Int {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	rand.Read(b[6:]) // never fails: crypto/rand ends the program first
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}
