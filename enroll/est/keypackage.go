package est

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"

	"github.com/smallstep/pkcs7"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/enroll/cms"
)

// oidKeyPackage is AsymmetricKeyPackage (RFC 5958, Section 2).
var oidKeyPackage = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 2, 1, 2, 78, 5}

// seal returns a private key of PKCS #8 signed by the server that made it, and encrypted
// to whoever asked for that (RFC 7030, Section 4.4.2).
func (to *recipient) seal(secret []byte, by *tls.Certificate) ([]byte, error) {
	var content cryptobyte.Builder
	content.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(secret) }) // a PrivateKeyInfo is a OneAsymmetricKey
	message, err := sign(content.BytesOrPanic(), by)
	if err != nil {
		return nil, err
	}
	defer clear(message)
	return cms.Seal(message, cms.SignedData, to.certificate, to.transport, to.by)
}

// sign returns a SignedData (RFC 5652, Section 5.1), without the ContentInfo around it.
func sign(content []byte, by *tls.Certificate) ([]byte, error) {
	defer clear(content)
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, err
	}
	inner := signed.GetSignedData()
	inner.Version, inner.ContentInfo.ContentType = 3, oidKeyPackage
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(by.Leaf, by.PrivateKey, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	for _, raw := range by.Certificate[1:] {
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, err
		}
		signed.AddCertificate(cert)
	}
	whole, err := signed.Finish()
	if err != nil {
		return nil, err
	}
	info := cryptobyte.String(whole)
	var data cryptobyte.String
	if !info.ReadASN1(&info, der.SEQUENCE) || !info.SkipASN1(der.OBJECT_IDENTIFIER) ||
		!info.ReadASN1(&data, der.Tag(0).ContextSpecific().Constructed()) {
		return nil, asn1.StructuralError{Msg: "no ContentInfo"}
	}
	return data, nil
}
