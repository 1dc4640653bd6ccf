package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Kinds of content.
var (
	Data       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	SignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// Algorithms, as others name them.
var (
	RSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	RSAESOAEP     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	ECDHSHA256    = asn1.ObjectIdentifier{1, 3, 132, 1, 11, 1} // dhSinglePass-stdDH-sha256kdf-scheme
	AES128CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	AES256CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	AES256Wrap    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 45}

	oidEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
)

// Errors of [Transports] and [Seal].
var (
	// ErrKey reports a certificate whose key nothing can be encrypted to.
	ErrKey = errors.New("cms: nothing can be encrypted to the certificate's key")
	// ErrTransport reports a way to hand over a key that is none for the certificate's: of
	// another kind of key, or [RSAEncryption] in FIPS 140-3 mode.
	ErrTransport = errors.New("cms: a key is not handed over to the certificate's holder in this way")
)

// Transports returns by what a key can be handed to the holder of the certificate, the
// better first: [RSAESOAEP] with SHA-256, and [RSAEncryption] unless the program is in FIPS
// 140-3 mode; or [ECDHSHA256]. RSA is of 2048 to 8192 bits, and curves are P-256, P-384 and
// P-521; of all else it returns [ErrKey].
func Transports(to *x509.Certificate) ([]asn1.ObjectIdentifier, error) {
	switch key := to.PublicKey.(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); {
		case bits < 2048 || bits > 8192:
		case fips140.Enabled():
			return []asn1.ObjectIdentifier{RSAESOAEP}, nil
		default:
			return []asn1.ObjectIdentifier{RSAESOAEP, RSAEncryption}, nil
		}
	case *ecdsa.PublicKey:
		if _, err := key.ECDH(); err == nil {
			return []asn1.ObjectIdentifier{ECDHSHA256}, nil
		}
	}
	return nil, ErrKey
}

// Seal returns the ContentInfo, in DER, of content of that kind, encrypted to the holder
// of the certificate by [AES128CBC] or [AES256CBC], whose key is handed over by transport.
// Nobody can tell from it who has encrypted: what must not be another's is signed before.
//
// It returns [ErrKey] as Transports does, and [ErrTransport] for what that does not return.
func Seal(content []byte, kind asn1.ObjectIdentifier, to *x509.Certificate, transport, by asn1.ObjectIdentifier) ([]byte, error) {
	size := 16
	if by.Equal(AES256CBC) {
		size = 32
	}
	session, iv := make([]byte, size), make([]byte, aes.BlockSize)
	rand.Read(session)
	rand.Read(iv)
	defer clear(session)
	recipient, version, err := recipientInfo(to, transport, session)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(session)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(content)%aes.BlockSize
	text := make([]byte, len(content)+pad)
	for i := copy(text, content); i < len(text); i++ {
		text[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)

	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidEnvelopedData)
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(version)
				b.AddASN1(der.SET, func(b *cryptobyte.Builder) { b.AddBytes(recipient) })
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(kind)
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(by)
						b.AddASN1OctetString(iv)
					})
					b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(text) })
				})
			})
		})
	})
	return b.Bytes()
}

// recipientInfo returns a RecipientInfo that holds the key of the content, and the
// version that the whole gets by it (RFC 5652, Section 6.1).
func recipientInfo(to *x509.Certificate, transport asn1.ObjectIdentifier, session []byte) (info []byte, version int64, err error) {
	all, err := Transports(to)
	if err != nil {
		return nil, 0, err
	}
	if !slices.ContainsFunc(all, transport.Equal) {
		return nil, 0, ErrTransport
	}
	if transport.Equal(ECDHSHA256) {
		info, err = keyAgreement(to, session)
		return info, 2, err
	}
	info, err = keyTransport(to, transport, session)
	return info, 0, err
}

// keyTransport returns a KeyTransRecipientInfo (RFC 5652, Section 6.2.1).
func keyTransport(to *x509.Certificate, transport asn1.ObjectIdentifier, session []byte) ([]byte, error) {
	public, oaep := to.PublicKey.(*rsa.PublicKey), transport.Equal(RSAESOAEP)
	var encrypted []byte
	var err error
	if oaep {
		encrypted, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, public, session, nil)
	} else {
		//lint:ignore SA1019 what old clients can read; whoever decrypts it has to keep quiet about its padding
		encrypted, err = rsa.EncryptPKCS1v15(rand.Reader, public, session)
	}
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		addIssuerAndSerial(b, to)
		if oaep {
			addOAEP(b)
		} else {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(RSAEncryption)
				b.AddASN1NULL()
			})
		}
		b.AddASN1OctetString(encrypted)
	})
	return b.Bytes()
}

func addIssuerAndSerial(b *cryptobyte.Builder, cert *x509.Certificate) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(cert.RawIssuer)
		b.AddASN1BigInt(cert.SerialNumber)
	})
}
