package record

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A Bond is what the two ends of one TLS connection share, and nobody else has. Safe
// for concurrent use; cheap to copy.
type Bond struct {
	// Link names the connection: 16 bytes in base64url. It is no secret, and says
	// nothing of the key.
	Link string

	key [sha256.Size]byte
}

const exporterLabel = "EXPORTER-betonica-record"

// Binding derives the Bond of a connection whose handshake is complete from its
// exporter (RFC 8446, Section 7.5; RFC 5705). Both ends get the same.
//
// It returns an error for a connection below TLS 1.2, and for one of TLS 1.2 without
// the extended master secret: there somebody between the two could make two
// connections that export the same (RFC 7627, Section 1; RFC 9266, Section 3).
func Binding(cs tls.ConnectionState) (Bond, error) {
	if !cs.HandshakeComplete || cs.Version < tls.VersionTLS12 {
		return Bond{}, errors.New("record: no binding without a complete handshake of TLS 1.2 or later")
	}
	b, err := cs.ExportKeyingMaterial(exporterLabel, nil, 16+sha256.Size)
	if err != nil { // without the extended master secret, or with renegotiation allowed
		return Bond{}, fmt.Errorf("record: binding to the connection: %w", err)
	}
	return bondOf(b), nil
}

// Unbound returns a Bond that nobody shares, for a connection that is not TLS: its
// records pair with no others, and their digests are keyed all the same.
func Unbound() Bond {
	b := make([]byte, 16+sha256.Size)
	rand.Read(b) // never fails
	return bondOf(b)
}

func bondOf(b []byte) Bond {
	return Bond{Link: base64.RawURLEncoding.EncodeToString(b[:16]), key: [sha256.Size]byte(b[16:])}
}

// Key returns the key of the digests of access number on the connection. Who is given
// it learns nothing of any other access.
func (b Bond) Key(number string) Secret {
	return Secret{mac(&b.key, "betonica record ", number)}
}

// Digest returns what digests the payload of access number that went in direction d:
// HMAC-SHA256 under the key whose root is [Bond.Key]. At both ends it gives the same.
func (b Bond) Digest(number string, d Direction) hash.Hash { return b.Key(number).Digest(d) }

// Format keeps the key out of whatever prints a Bond.
func (b Bond) Format(w fmt.State, _ rune) { io.WriteString(w, "record.Bond("+b.Link+")") }
