package validate

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidACMEIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31} // RFC 8737, Section 6.1
)

// The context-specific tags of a GeneralName (RFC 5280, Section 4.2.1.6).
const (
	tagDNSName   = 2
	tagIPAddress = 7
)

// checkCertificate reports whether cert is the one for the challenge (RFC 8737,
// Section 3): self-signed, for just that identifier, with the digest of the key
// authorization in a critical extension.
func checkCertificate(cert *x509.Certificate, s subject, keyAuthorization string) error {
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) || cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		return incorrect("the certificate is not self-signed")
	}
	san := extension(cert, oidSubjectAltName)
	if san == nil || !isOnlyName(san.Value, s) {
		return incorrect("the certificate's subjectAltName is not just the identifier")
	}
	id := extension(cert, oidACMEIdentifier)
	if id == nil || !id.Critical {
		return incorrect("the certificate has no critical acmeIdentifier extension")
	}
	// Authorization ::= OCTET STRING (SIZE (32)), so DER leaves one encoding.
	sum := sha256.Sum256([]byte(keyAuthorization))
	want := append([]byte{asn1.TagOctetString, sha256.Size}, sum[:]...)
	if subtle.ConstantTimeCompare(id.Value, want) != 1 {
		return incorrect("the certificate's acmeIdentifier is not the digest of the key authorization")
	}
	return nil
}

// extension returns the extension of that type, of which crypto/x509 lets no
// certificate have two.
func extension(cert *x509.Certificate, oid asn1.ObjectIdentifier) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(oid) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

// isOnlyName reports whether der is a SubjectAltName of one GeneralName, s. It
// looks at the bytes, because crypto/x509 passes over the kinds of name that it
// does not know.
func isOnlyName(der []byte, s subject) bool {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 || len(names) != 1 {
		return false
	}
	name := names[0]
	if name.Class != asn1.ClassContextSpecific || name.IsCompound {
		return false
	}
	if s.addr.IsValid() {
		return name.Tag == tagIPAddress && bytes.Equal(name.Bytes, s.addr.AsSlice())
	}
	return name.Tag == tagDNSName && strings.EqualFold(string(name.Bytes), s.name)
}
