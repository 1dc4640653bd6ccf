package est

import (
	"bytes"
	"crypto/fips140"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"net/http"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/enroll/cms"
	"github.com/betonica/betonica/enroll/pkcs10"
)

// What asks for the key to be encrypted once more (RFC 7030, Section 4.4.1).
var (
	oidDecryptKeyID           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 37}
	oidAsymmetricDecryptKeyID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 54}
	oidSMIMECapabilities      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 15} // RFC 8551, Section 2.5.2
	oidRSAESOAEP              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
)

// A recipient is whom a key is encrypted to, beyond TLS, and by what.
type recipient struct {
	certificate *x509.Certificate
	by          asn1.ObjectIdentifier
}

// recipientOf returns whom the request, which package ca has read, wants its key encrypted
// to; nil: nobody. It is the holder of the certificate that was presented in the TLS
// handshake, whose private key the client has shown to have, and of no other: the client
// names it by its subject key identifier. Everything else that it could want is refused
// with a [*problem], for a key that was to be encrypted is never sent as it is.
func recipientOf(r *http.Request, csr []byte) (*recipient, error) {
	var ids, lists []cryptobyte.String
	for oid, values := range pkcs10.Attributes(csr) {
		switch {
		case oid.Equal(oidDecryptKeyID):
			return nil, errSharedKey
		case oid.Equal(oidAsymmetricDecryptKeyID):
			ids = append(ids, values)
		case oid.Equal(oidSMIMECapabilities):
			lists = append(lists, values)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var id cryptobyte.String
	if len(ids) > 1 || !ids[0].ReadASN1(&id, der.OCTET_STRING) || !ids[0].Empty() ||
		r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !bytes.Equal(id, keyID(r.TLS.PeerCertificates[0])) {
		return nil, errNoRecipient
	}
	cert := r.TLS.PeerCertificates[0]
	transport, err := cms.Transport(cert)
	if err != nil || !mayDecrypt(cert, transport) {
		return nil, errKeyUse
	}
	if len(lists) != 1 {
		return nil, errCapabilities
	}
	by := cipherOf(lists[0], transport)
	if by == nil {
		return nil, errCapabilities
	}
	return &recipient{cert, by}, nil
}

// keyID returns the certificate's subject key identifier or, where it has none, what that
// usually is (RFC 5280, Section 4.2.1.2).
func keyID(cert *x509.Certificate) []byte {
	if len(cert.SubjectKeyId) > 0 {
		return cert.SubjectKeyId
	}
	spki := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var key []byte
	if !spki.ReadASN1(&info, der.SEQUENCE) || !info.SkipASN1(der.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&key) {
		return nil
	}
	var sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(key) }) // a name, which nothing rests on
	return sum[:]
}

// mayDecrypt reports whether the certificate's key usage, if it has one, has a place for
// that (RFC 5280, Section 4.2.1.3).
func mayDecrypt(cert *x509.Certificate, transport asn1.ObjectIdentifier) bool {
	usage := x509.KeyUsageKeyEncipherment
	if transport.Equal(cms.ECDHSHA256) {
		usage = x509.KeyUsageKeyAgreement
	}
	return cert.KeyUsage == 0 || cert.KeyUsage&usage != 0
}

// cipherOf returns how content is encrypted for a client with those SMIMECapabilities:
// AES-256 in CBC mode, or AES-128 if it has no more; nil if it cannot decrypt either, or
// not by that transport. Who lists nothing but how keys are handed over gets AES-256.
func cipherOf(values cryptobyte.String, transport asn1.ObjectIdentifier) asn1.ObjectIdentifier {
	var list cryptobyte.String
	if !values.ReadASN1(&list, der.SEQUENCE) || !values.Empty() {
		return nil
	}
	var handsOver, small, large, others bool
	for !list.Empty() {
		var one cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&oid) {
			return nil
		}
		switch {
		case oid.Equal(transport), oid.Equal(cms.AES256Wrap) && transport.Equal(cms.ECDHSHA256):
			handsOver = true
		case oid.Equal(cms.AES256CBC):
			large = true
		case oid.Equal(cms.AES128CBC):
			small = true
		case oid.Equal(cms.RSAEncryption), oid.Equal(oidRSAESOAEP), oid.Equal(cms.ECDHSHA256), oid.Equal(cms.AES256Wrap):
		default:
			others = true
		}
	}
	switch {
	case !handsOver:
		return nil
	case large || !small && !others:
		return cms.AES256CBC
	case small:
		return cms.AES128CBC
	}
	return nil
}
