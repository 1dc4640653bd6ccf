package enroll

import (
	"crypto/x509"
	"encoding/binary"
	"time"

	"github.com/betonica/betonica/store"
)

// RenewAfter returns when the holder of a certificate of ours shall renew it:
// somewhere in 1/2 to 2/3 of its life after it was issued. It is uniform over
// the certificates, so that a fleet that enrolled in one minute does not renew in
// one, and the same each time for one of them, since the serial number tells.
func RenewAfter(cert *x509.Certificate) time.Time {
	serial := store.SerialOf(cert)
	issued := issuedAt(serial)
	if issued.Before(cert.NotBefore) || issued.After(cert.NotAfter) {
		issued = cert.NotBefore // not made by package ca
	}
	life := cert.NotAfter.Sub(issued)
	// The last 53 bits of the serial are random: a fraction of 1, exactly.
	fraction := float64(binary.BigEndian.Uint64(serial[8:])&(1<<53-1)) / (1 << 53)
	return issued.Add(life/2 + time.Duration(fraction*float64(life/6))).Truncate(time.Second).UTC()
}

// issuedAt returns the time in a serial number of ours: its first 48 bits are
// Unix milliseconds. notBefore is earlier, for machines whose clocks are behind.
func issuedAt(serial store.Serial) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(serial[:8]) >> 16))
}
