package cms

import (
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// keyAgreement returns a KeyAgreeRecipientInfo (RFC 5753, Section 3.1): the key is wrapped
// under what an ephemeral key and the certificate's have in common.
func keyAgreement(to *x509.Certificate, session []byte) ([]byte, error) {
	public, err := to.PublicKey.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		return nil, ErrKey
	}
	ephemeral, err := public.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	shared, err := ephemeral.ECDH(public)
	if err != nil {
		return nil, err
	}
	defer clear(shared)
	block, err := aes.NewCipher(deriveKey(shared))
	if err != nil {
		return nil, err
	}
	wrapped, err := josecipher.KeyWrap(block, session) // RFC 3394
	if err != nil {
		return nil, err
	}
	context := func(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }
	var b cryptobyte.Builder
	b.AddASN1(context(1), func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(context(0), func(b *cryptobyte.Builder) {
			b.AddASN1(context(1), func(b *cryptobyte.Builder) { // OriginatorPublicKey
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidECPublicKey) })
				b.AddASN1BitString(ephemeral.PublicKey().Bytes())
			})
		})
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(ECDHSHA256)
			addKeyWrap(b)
		})
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				addIssuerAndSerial(b, to)
				b.AddASN1OctetString(wrapped)
			})
		})
	})
	return b.Bytes()
}

func addKeyWrap(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(AES256Wrap) })
}

// deriveKey is the KDF of ANSI X9.63 with SHA-256, for a key of 256 bits: one block (RFC
// 5753, Section 7.2; SEC 1, Section 3.6.1).
func deriveKey(shared []byte) []byte {
	var info cryptobyte.Builder // ECC-CMS-SharedInfo
	info.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addKeyWrap(b)
		b.AddASN1(der.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1OctetString([]byte{0, 0, 1, 0}) // bits of the key
		})
	})
	h := sha256.New()
	h.Write(shared)
	h.Write([]byte{0, 0, 0, 1})
	h.Write(info.BytesOrPanic())
	return h.Sum(nil)
}
