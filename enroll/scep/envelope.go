package scep

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/enroll/cms"
)

var oidEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}

var (
	errAlgorithm = errors.New("scep: encrypted by an algorithm that is not taken")
	errEnvelope  = errors.New("scep: what was encrypted cannot be read")
)

// maxRecipients bounds how often one message has us decrypt.
const maxRecipients = 4

// An envelope is an EnvelopedData (RFC 5652, Section 6.1) in DER.
type envelope struct {
	keys       [][]byte              // for whoever; under RSA
	transport  asn1.ObjectIdentifier // of all of them
	by         asn1.ObjectIdentifier
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
	e := &envelope{by: oid}
	if e.keySize() == 0 {
		return nil, errAlgorithm
	}
	if !algorithm.ReadASN1(&iv, der.OCTET_STRING) || len(iv) != aes.BlockSize ||
		!content.ReadASN1(&encrypted, der.Tag(0).ContextSpecific()) || len(encrypted) == 0 || len(encrypted)%aes.BlockSize != 0 {
		return nil, errEnvelope
	}
	e.iv, e.ciphertext = iv, encrypted
	return e, e.readRecipients(recipients)
}

// keySize is that of the algorithm, in bytes; 0: it is none that is taken.
func (e *envelope) keySize() int {
	switch {
	case e.by.Equal(cms.AES128CBC):
		return 16
	case e.by.Equal(cms.AES256CBC):
		return 32
	}
	return 0
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
		oaep := oid.Equal(cms.RSAESOAEP) && cms.OAEPWithSHA256(algorithm)
		if !oaep && !(oid.Equal(cms.RSAEncryption) && !fips140.Enabled()) || e.transport != nil && !oid.Equal(e.transport) {
			return errAlgorithm
		}
		e.transport = oid
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
		session := make([]byte, e.keySize())
		rand.Read(session) // it stays what it is where the padding is wrong, and then decrypts to nothing
		if !e.decrypt(key, encrypted, session) {
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

// decrypt puts the key into session, or leaves it alone where the padding is wrong. It
// returns false if what is encrypted has another length than key encrypts to, which anybody
// sees.
func (e *envelope) decrypt(key *rsa.PrivateKey, encrypted, session []byte) bool {
	if e.transport.Equal(cms.RSAEncryption) {
		//lint:ignore SA1019 most clients know nothing else; open says how it is kept from telling
		return rsa.DecryptPKCS1v15SessionKey(rand.Reader, key, encrypted, session) == nil
	}
	if len(encrypted) != key.Size() {
		return false
	}
	if plain, err := rsa.DecryptOAEP(sha256.New(), nil, key, encrypted, nil); err == nil && len(plain) == len(session) {
		copy(session, plain)
	}
	return true
}
