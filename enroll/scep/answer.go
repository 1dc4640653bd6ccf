package scep

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"

	"github.com/smallstep/pkcs7"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/enroll/cms"
)

// Status of an answer (RFC 8894, Section 3.2.1.3).
const (
	statusSuccess = "0"
	statusFailure = "2"
	statusPending = "3"
)

// An answer is a CertRep (RFC 8894, Section 3.3.2), or our own trouble.
type answer struct {
	certificates []*x509.Certificate // the issued one first
	list         []byte              // a CRL, instead
	sealed       *envelope           // what came; they are encrypted in the same way
	fail         string
	pending      bool
	internal     error
}

// marshal signs the answer to m.
func (a answer) marshal(m *message, ra *x509.Certificate, key *rsa.PrivateKey) ([]byte, error) {
	nonce := make([]byte, 16)
	rand.Read(nonce)
	attributes := []pkcs7.Attribute{
		{Type: oidMessageType, Value: typeCertRep},
		{Type: oidTransactionID, Value: m.transaction},
		{Type: oidRecipientNonce, Value: m.nonce},
		{Type: oidSenderNonce, Value: nonce},
	}
	var content []byte
	switch {
	case a.fail != "":
		attributes = append(attributes, pkcs7.Attribute{Type: oidPKIStatus, Value: statusFailure}, pkcs7.Attribute{Type: oidFailInfo, Value: a.fail})
	case a.pending:
		attributes = append(attributes, pkcs7.Attribute{Type: oidPKIStatus, Value: statusPending})
	default:
		attributes = append(attributes, pkcs7.Attribute{Type: oidPKIStatus, Value: statusSuccess})
		bundle, err := a.bundle()
		if err != nil {
			return nil, err
		}
		if content, err = cms.Seal(bundle, cms.Data, m.signer, a.sealed.transport, a.sealed.by); err != nil {
			return nil, err
		}
	}
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(ra, key, pkcs7.SignerInfoConfig{ExtraSignedAttributes: attributes}); err != nil {
		return nil, err
	}
	// RFC 8894 says nothing of it, and some clients want the key's algorithm here, not
	// the signature's.
	signed.GetSignedData().SignerInfos[0].DigestEncryptionAlgorithm.Algorithm = pkcs7.OIDEncryptionAlgorithmRSA
	return signed.Finish()
}

// bundle is what a successful answer holds, encrypted: a SignedData that nobody has signed.
func (a answer) bundle() ([]byte, error) {
	var all []byte
	for _, cert := range a.certificates {
		all = append(all, cert.Raw...)
	}
	if a.list == nil {
		return pkcs7.DegenerateCertificate(all)
	}
	context := func(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(cms.SignedData)
		b.AddASN1(context(0), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(der.SET, func(*cryptobyte.Builder) {}) // digestAlgorithms
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(cms.Data) })
				b.AddASN1(context(1), func(b *cryptobyte.Builder) { b.AddBytes(a.list) })
				b.AddASN1(der.SET, func(*cryptobyte.Builder) {}) // signerInfos
			})
		})
	})
	return b.Bytes()
}
