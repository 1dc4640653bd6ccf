package est

import (
	"bytes"
	"crypto/fips140"
	"crypto/x509"
	"encoding/asn1"
	"net/http"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/enroll/cms"
	"github.com/betonica/betonica/enroll/pkcs10"
)

// What asks for the key to be encrypted once more (RFC 7030, Section 4.4.1).
var (
	oidDecryptKeyID           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 37}
	oidAsymmetricDecryptKeyID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 54}
	oidSMIMECapabilities      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 15} // RFC 8551, Section 2.5.2
)

// A recipient is whom a key is encrypted to, beyond TLS, and by what.
type recipient struct {
	certificate   *x509.Certificate
	transport, by asn1.ObjectIdentifier
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
	transports, err := cms.Transports(cert)
	if err != nil || !mayDecrypt(cert, transports[0]) {
		return nil, errKeyUse
	}
	var c *capabilities
	if len(lists) == 1 {
		c = readCapabilities(lists[0])
	}
	transport, by := c.transport(transports), c.cipher()
	switch {
	case transport == nil && c.takes(cms.RSAEncryption) && fips140.Enabled() && transports[0].Equal(cms.RSAESOAEP):
		return nil, errNotApproved
	case transport == nil || by == nil:
		return nil, errCapabilities
	}
	return &recipient{cert, transport, by}, nil
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
	name := sha1name.Of(key)
	return name[:]
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

// capabilities are what a client lists as its SMIMECapabilities (RFC 8551, Section 2.5.2).
type capabilities struct {
	transports, ciphers []asn1.ObjectIdentifier // that we know
	others              bool
}

// readCapabilities returns nil if the list is malformed.
func readCapabilities(values cryptobyte.String) *capabilities {
	var list cryptobyte.String
	if !values.ReadASN1(&list, der.SEQUENCE) || !values.Empty() {
		return nil
	}
	c := new(capabilities)
	for !list.Empty() {
		var one cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&oid) {
			return nil
		}
		switch {
		case oid.Equal(cms.RSAESOAEP): // of a hash of its own (RFC 3560, Section 5)
			if cms.OAEPWithSHA256(one) {
				c.transports = append(c.transports, oid)
			}
		case oid.Equal(cms.AES256Wrap):
			c.transports = append(c.transports, cms.ECDHSHA256)
		case oid.Equal(cms.RSAEncryption), oid.Equal(cms.ECDHSHA256):
			c.transports = append(c.transports, oid)
		case oid.Equal(cms.AES256CBC), oid.Equal(cms.AES128CBC):
			c.ciphers = append(c.ciphers, oid)
		default:
			c.others = true
		}
	}
	return c
}

// transport returns the first of those that the client takes; nil: it takes none.
func (c *capabilities) transport(of []asn1.ObjectIdentifier) asn1.ObjectIdentifier {
	if i := slices.IndexFunc(of, c.takes); i >= 0 {
		return of[i]
	}
	return nil
}

func (c *capabilities) takes(transport asn1.ObjectIdentifier) bool {
	return c != nil && slices.ContainsFunc(c.transports, transport.Equal)
}

// cipher returns how content is encrypted for the client: AES-256 in CBC mode, or AES-128
// if it has no more; nil if it cannot decrypt either. Who lists nothing but how keys are
// handed over gets AES-256.
func (c *capabilities) cipher() asn1.ObjectIdentifier {
	switch {
	case c == nil:
		return nil
	case slices.ContainsFunc(c.ciphers, cms.AES256CBC.Equal), len(c.ciphers) == 0 && !c.others:
		return cms.AES256CBC
	case len(c.ciphers) > 0:
		return cms.AES128CBC
	}
	return nil
}
