package attest

import (
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

var oidPermanentIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3} // RFC 4043, Section 2

// names returns what a certificate calls its device: the PermanentIdentifiers of
// its subjectAltName or, without any, its subject's serialNumber. It may well be
// nothing, and never holds "".
//
// A permanent identifier without a value stands for the serialNumber (RFC 4043,
// Section 2). Who assigned one is not looked at: the roots are per role, and say
// whose identifiers they certify.
func names(cert *x509.Certificate) []string {
	var found []string
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidSubjectAltName) {
			found = permanentIdentifiers(ext.Value, cert.Subject.SerialNumber)
		}
	}
	if len(found) == 0 && cert.Subject.SerialNumber != "" {
		found = []string{cert.Subject.SerialNumber}
	}
	return found
}

// permanentIdentifiers reads a SubjectAltName. It stops where that is malformed.
func permanentIdentifiers(san cryptobyte.String, serialNumber string) []string {
	var found []string
	var list, name, value, id cryptobyte.String
	var kind tag.Tag
	otherName := tag.Tag(0).ContextSpecific().Constructed()
	if !san.ReadASN1(&list, tag.SEQUENCE) || !san.Empty() {
		return nil
	}
	for list.ReadAnyASN1(&name, &kind) {
		var oid asn1.ObjectIdentifier
		if kind != otherName || !name.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidPermanentIdentifier) {
			continue
		}
		if !name.ReadASN1(&value, otherName) || !value.ReadASN1(&id, tag.SEQUENCE) {
			return found
		}
		text := cryptobyte.String(serialNumber)
		if id.PeekASN1Tag(tag.UTF8String) && !id.ReadASN1(&text, tag.UTF8String) {
			return found
		}
		if len(text) > 0 {
			found = append(found, string(text))
		}
	}
	return found
}
