package store

import (
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// A Serial is the serial number of a certificate that we issued, big-endian: 48
// bits of Unix milliseconds, then 80 random bits, so that an index over serials
// grows at one end. The zero Serial is never issued.
type Serial [16]byte

// ParseSerial reads the 32 hex digits that [Serial.String] writes, in either
// case.
func ParseSerial(s string) (Serial, error) {
	var serial Serial
	if len(s) != hex.EncodedLen(len(serial)) {
		return Serial{}, fmt.Errorf("serial %.64q: want 32 hex digits", s)
	}
	if _, err := hex.Decode(serial[:], []byte(s)); err != nil {
		return Serial{}, fmt.Errorf("serial %q: %w", s, err)
	}
	return serial, nil
}

// SerialOf returns the certificate's serial number, or the zero Serial if the
// number is negative or longer than ours are: such a certificate is a stranger's.
func SerialOf(cert *x509.Certificate) Serial {
	var s Serial
	if n := cert.SerialNumber; n != nil && n.Sign() > 0 && n.BitLen() <= 8*len(s) {
		n.FillBytes(s[:])
	}
	return s
}

// String returns the serial as 32 lower-case hex digits.
func (s Serial) String() string { return hex.EncodeToString(s[:]) }

// Time returns when a certificate with this serial was issued, to the millisecond.
// What a stranger made up bears any time.
func (s Serial) Time() time.Time { return fromMillis(int64(binary.BigEndian.Uint64(s[:8]) >> 16)) }

// MarshalText writes what String does, so that a log line and JSON show digits.
func (s Serial) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// arg returns what a statement takes for a serial that may be absent.
func (s *Serial) arg() any {
	if s == nil {
		return nil
	}
	return s[:]
}

// nullSerial reads a column that may be NULL.
func nullSerial(b []byte) *Serial {
	if len(b) != len(Serial{}) {
		return nil
	}
	s := Serial(b)
	return &s
}
