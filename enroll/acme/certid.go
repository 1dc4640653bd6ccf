package acme

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/betonica/betonica/store"
)

// parseCertID reads the unique identifier of a certificate (RFC 9773, Section
// 4.1): the issuer's key id and the DER of the serial number, both in base64url
// without padding, with a dot between. There is one way to write each. It reports
// whether such a certificate may be one of the issuer's.
func parseCertID(text string, issuer []byte) (store.Serial, bool) {
	left, right, ok := strings.Cut(text, ".")
	if !ok || len(text) > 128 {
		return store.Serial{}, false
	}
	aki, err := base64.RawURLEncoding.Strict().DecodeString(left)
	if err != nil || !bytes.Equal(aki, issuer) || left != base64.RawURLEncoding.EncodeToString(aki) {
		return store.Serial{}, false
	}
	number, err := base64.RawURLEncoding.Strict().DecodeString(right)
	if err != nil || right != base64.RawURLEncoding.EncodeToString(number) {
		return store.Serial{}, false // the decoder skips line breaks
	}
	return serialOf(number)
}

// serialOf reads the contents of a DER INTEGER (X.690, Section 8.3): positive, and
// with no octet more than it takes.
func serialOf(number []byte) (store.Serial, bool) {
	var serial store.Serial
	switch {
	case len(number) == 0 || number[0] > 0x7f:
		return serial, false
	case number[0] == 0 && (len(number) == 1 || number[1] <= 0x7f):
		return serial, false
	}
	number = bytes.TrimPrefix(number, []byte{0})
	if len(number) > len(serial) {
		return serial, false
	}
	copy(serial[len(serial)-len(number):], number)
	return serial, true
}

// parseCertID reads the identifier of a certificate of any issuer of ours.
func (h *Handler) parseCertID(text string) (store.Serial, bool) {
	for _, issuer := range h.Issuers.Certificates() {
		if serial, ok := parseCertID(text, issuer.SubjectKeyId); ok {
			return serial, true
		}
	}
	return store.Serial{}, false
}

// certID writes what parseCertID reads.
func certID(serial store.Serial, issuer []byte) string {
	number := bytes.TrimLeft(serial[:], "\x00")
	if len(number) == 0 || number[0] > 0x7f {
		number = append([]byte{0}, number...)
	}
	return base64.RawURLEncoding.EncodeToString(issuer) + "." + base64.RawURLEncoding.EncodeToString(number)
}
