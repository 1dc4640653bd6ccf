package enroll

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
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
	// The last 53 bits of the serial are random.
	return issued.Add(life/2 + time.Duration(fraction(serial[8:])*float64(life/6))).Truncate(time.Second).UTC()
}

// A Move asks those who hold a certificate of another issuer than To to renew
// sooner than they would, one after the other. It never changes.
type Move struct {
	To    string        // subject key identifier in hex, of the issuer that is moved to
	Since time.Time     // when the first is asked
	Pace  time.Duration // from the first to the last
}

// Asks says whether the holder of cert is to renew for the move.
func (m *Move) Asks(cert *x509.Certificate) bool {
	return m != nil && hex.EncodeToString(cert.AuthorityKeyId) != m.To
}

// RenewAfter returns when the holder of a certificate that the move asks for shall
// renew it. It is uniform over the certificates, and never later than without the
// move.
func (m *Move) RenewAfter(cert *x509.Certificate) time.Time {
	serial := store.SerialOf(cert)
	sum := sha256.Sum256(serial[:]) // not the serial's own order, which says when it would be renewed anyway
	at := m.Since.Add(time.Duration(fraction(sum[:8]) * float64(m.Pace))).Truncate(time.Second).UTC()
	if usual := RenewAfter(cert); usual.Before(at) {
		return usual
	}
	return at
}

// SetMove has a fleet move from now on; nil: nobody is asked to renew early. It may
// be called at any time.
func (r *Registrar) SetMove(m *Move) { r.moving.Store(m) }

// Move returns what SetMove set last.
func (r *Registrar) Move() *Move { return r.moving.Load() }

// RenewAfter returns when the holder of cert shall renew it, also for a move.
func (r *Registrar) RenewAfter(cert *x509.Certificate) time.Time {
	if m := r.moving.Load(); m.Asks(cert) {
		return m.RenewAfter(cert)
	}
	return RenewAfter(cert)
}

// fraction makes the last 53 of 64 bits a fraction of 1, exactly.
func fraction(bits []byte) float64 {
	return float64(binary.BigEndian.Uint64(bits)&(1<<53-1)) / (1 << 53)
}

// issuedAt returns the time in a serial number of ours: its first 48 bits are
// Unix milliseconds. notBefore is earlier, for machines whose clocks are behind.
func issuedAt(serial store.Serial) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(serial[:8]) >> 16))
}
