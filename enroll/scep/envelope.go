package scep

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidRSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidAES128CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES256CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

var (
	errAlgorithm = errors.New("scep: encrypted by an algorithm that is not taken")
	errEnvelope  = errors.New("scep: what was encrypted cannot be read")
)

// maxRecipients bounds how often one message has us decrypt.
const maxRecipients = 4

// An envelope is an EnvelopedData (RFC 5652, Section 6.1) in DER.
type envelope struct {
	keys       [][]byte // for whoever; under RSA, PKCS #1 v1.5
	size       int      // of the key, in bytes
	iv         []byte
	ciphertext []byte
}

// readEnvelope returns errAlgorithm or errEnvelope. It decrypts nothing.
func readEnvelope(message []byte) (*envelope, error) {
	input := cryptobyte.String(message)
	var info, explicit, data, recipients, content, algorithm, iv, encrypted cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !input.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidEnvelopedData) ||
		!info.ReadASN1(&explicit, der.Tag(0).ContextSpecific().Constructed()) || !explicit.ReadASN1(&data, der.SEQUENCE) ||
		!data.SkipASN1(der.INTEGER) || !data.SkipOptionalASN1(der.Tag(0).ContextSpecific().Constructed()) ||
		!data.ReadASN1(&recipients, der.SET) || !data.ReadASN1(&content, der.SEQUENCE) || !content.SkipASN1(der.OBJECT_IDENTIFIER) ||
		!content.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return nil, errEnvelope
	}
	e := &envelope{size: 16}
	switch {
	case oid.Equal(oidAES256CBC):
		e.size = 32
	case !oid.Equal(oidAES128CBC):
		return nil, errAlgorithm
	}
	if !algorithm.ReadASN1(&iv, der.OCTET_STRING) || len(iv) != aes.BlockSize ||
		!content.ReadASN1(&encrypted, der.Tag(0).ContextSpecific()) || len(encrypted) == 0 || len(encrypted)%aes.BlockSize != 0 {
		return nil, errEnvelope
	}
	e.iv, e.ciphertext = iv, encrypted
	return e, e.readRecipients(recipients)
}

// readRecipients reads KeyTransRecipientInfos (RFC 5652, Section 6.2.1). Whom they name
// is not looked at: certificates of the one key come and go.
func (e *envelope) readRecipients(recipients cryptobyte.String) error {
	for !recipients.Empty() {
		var one, algorithm, key cryptobyte.String
		var oid asn1.ObjectIdentifier
		var tag der.Tag
		var rid cryptobyte.String
		if len(e.keys) == maxRecipients || !recipients.ReadASN1(&one, der.SEQUENCE) || !one.SkipASN1(der.INTEGER) || !one.ReadAnyASN1(&rid, &tag) ||
			!one.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) || !one.ReadASN1(&key, der.OCTET_STRING) {
			return errEnvelope
		}
		if !oid.Equal(oidRSAEncryption) {
			return errAlgorithm
		}
		e.keys = append(e.keys, key)
	}
	if len(e.keys) == 0 {
		return errEnvelope
	}
	return nil
}

// open decrypts by key. There is one error, errEnvelope.
func (e *envelope) open(key *rsa.PrivateKey) ([]byte, error) {
	for _, encrypted := range e.keys {
		session := make([]byte, e.size)
		rand.Read(session) // it stays what it is where the padding is wrong, and then decrypts to nothing
		//lint:ignore SA1019 RFC 8894 has nothing else that clients know; open says how it is kept from telling
		if rsa.DecryptPKCS1v15SessionKey(rand.Reader, key, encrypted, session) != nil {
			continue // of another length than any that was encrypted to us
		}
		block, err := aes.NewCipher(session)
		if err != nil {
			return nil, errEnvelope
		}
		plain := make([]byte, len(e.ciphertext))
		cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, e.ciphertext)
		pad := int(plain[len(plain)-1])
		if pad == 0 || pad > aes.BlockSize {
			continue
		}
		// What it holds is a SEQUENCE with a length; the bytes of the padding say no more.
		return plain[:len(plain)-pad], nil
	}
	return nil, errEnvelope
}

// seal encrypts content to the RSA key of a certificate, with an AES key of that size.
func seal(content []byte, to *x509.Certificate, size int) ([]byte, error) {
	public, ok := to.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errAlgorithm
	}
	session, iv := make([]byte, size), make([]byte, aes.BlockSize)
	rand.Read(session)
	rand.Read(iv)
	block, err := aes.NewCipher(session)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(content)%aes.BlockSize
	padded := append([]byte(nil), content...)
	for range pad {
		padded = append(padded, byte(pad))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	//lint:ignore SA1019 what SCEP's clients can read
	encrypted, err := rsa.EncryptPKCS1v15(rand.Reader, public, session)
	if err != nil {
		return nil, err
	}
	return marshalEnvelope(to, encrypted, size, iv, padded)
}

func marshalEnvelope(to *x509.Certificate, key []byte, size int, iv, ciphertext []byte) ([]byte, error) {
	algorithm := oidAES128CBC
	if size == 32 {
		algorithm = oidAES256CBC
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidEnvelopedData)
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(0)
				b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(0)
						b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(to.RawIssuer)
							b.AddASN1BigInt(to.SerialNumber)
						})
						b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(oidRSAEncryption)
							b.AddASN1NULL()
						})
						b.AddASN1OctetString(key)
					})
				})
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidData)
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(algorithm)
						b.AddASN1OctetString(iv)
					})
					b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(ciphertext) })
				})
			})
		})
	})
	return b.Bytes()
}
