package survey

import (
	"bytes"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of keys and curves, in DER.
var (
	oidEC      = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}
	oidRSA     = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}
	oidEd25519 = []byte{0x2b, 0x65, 0x70}
	oidP256    = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	oidP384    = []byte{0x2b, 0x81, 0x04, 0x00, 0x22}
	oidP521    = []byte{0x2b, 0x81, 0x04, 0x00, 0x23}
)

const unknownKey = "unknown"

// keyKind says what kind of public key a certificate is for, and whether nobody should use
// it any more. It reads no further than the key: of a million certificates, the rest of
// them would take most of the time.
func keyKind(der []byte) (kind string, weak bool) {
	in := cryptobyte.String(der)
	var cert, tbs, key, algorithm, oid cryptobyte.String
	if !in.ReadASN1(&cert, asn1.SEQUENCE) || !cert.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) || !tbs.SkipASN1(asn1.INTEGER) {
		return unknownKey, true
	}
	for range 4 { // signature algorithm, issuer, validity, subject
		if !tbs.SkipASN1(asn1.SEQUENCE) {
			return unknownKey, true
		}
	}
	if !tbs.ReadASN1(&key, asn1.SEQUENCE) || !key.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return unknownKey, true
	}
	switch {
	case bytes.Equal(oid, oidEC):
		return curve(algorithm)
	case bytes.Equal(oid, oidEd25519):
		return "Ed25519", false
	case bytes.Equal(oid, oidRSA):
		return modulus(key)
	}
	return unknownKey, true
}

func curve(algorithm cryptobyte.String) (string, bool) {
	var oid cryptobyte.String
	switch {
	case !algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER):
	case bytes.Equal(oid, oidP256):
		return "P-256", false
	case bytes.Equal(oid, oidP384):
		return "P-384", false
	case bytes.Equal(oid, oidP521):
		return "P-521", false
	}
	return unknownKey, true
}

func modulus(key cryptobyte.String) (string, bool) {
	var encoded, n cryptobyte.String
	var unused uint8
	if !key.ReadASN1(&encoded, asn1.BIT_STRING) || !encoded.ReadUint8(&unused) || !encoded.ReadASN1(&encoded, asn1.SEQUENCE) || !encoded.ReadASN1(&n, asn1.INTEGER) {
		return unknownKey, true
	}
	for len(n) > 0 && n[0] == 0 {
		n = n[1:]
	}
	if len(n) == 0 {
		return unknownKey, true
	}
	size := 8*(len(n)-1) + bits.Len8(n[0])
	return fmt.Sprintf("RSA-%d", size), size < 2048
}
