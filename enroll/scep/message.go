package scep

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"
)

// Attributes of a message (RFC 8894, Section 3.2.1).
var (
	oidMessageType    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
	oidPKIStatus      = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}
	oidFailInfo       = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}
	oidSenderNonce    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 5}
	oidRecipientNonce = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 6}
	oidTransactionID  = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 7}
)

// Types of messages (RFC 8894, Section 3.2.1.2).
const (
	typeCertRep        = "3"
	typeRenewalReq     = "17"
	typePKCSReq        = "19"
	typeGetCertInitial = "20"
	typeGetCert        = "21"
	typeGetCRL         = "22"
)

// A message is what a client signed. Only its signature was verified, by the key that it
// brings along.
type message struct {
	kind        string
	transaction string
	nonce       []byte
	signer      *x509.Certificate
	content     []byte // EnvelopedData
	weak        bool   // signed over a digest that is not taken
}

// parse reads a message and verifies its signature. What it does not understand cannot
// be answered in kind.
func parse(der []byte) (m *message, err error) {
	defer func() {
		if v := recover(); v != nil { // the library's BER is lenient, and ours to bound
			err = fmt.Errorf("scep: reading a message: %v", v)
		}
	}()
	if len(der) > maxMessage || !shallow(der) {
		return nil, errors.New("scep: too large, too deep or no BER")
	}
	signed, err := pkcs7.Parse(der)
	if err != nil {
		return nil, err
	}
	m = &message{signer: signed.GetOnlySigner(), content: signed.Content}
	if len(signed.Signers) != 1 || m.signer == nil {
		return nil, errors.New("scep: not one signer")
	}
	if _, ok := m.signer.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("scep: the signer's key is not RSA")
	}
	if bits := m.signer.PublicKey.(*rsa.PublicKey).N.BitLen(); bits < 2048 || bits > 8192 {
		return nil, errors.New("scep: the signer's key is not of 2048 to 8192 bits")
	}
	for _, a := range []struct {
		oid asn1.ObjectIdentifier
		to  any
	}{{oidMessageType, &m.kind}, {oidTransactionID, &m.transaction}, {oidSenderNonce, &m.nonce}} {
		if err := signed.UnmarshalSignedAttribute(a.oid, a.to); err != nil {
			return nil, err
		}
	}
	if m.transaction == "" || len(m.transaction) > 256 || strings.ContainsFunc(m.transaction, notPrintable) || len(m.nonce) == 0 || len(m.nonce) > 64 {
		return nil, errors.New("scep: a transaction id or nonce out of bounds")
	}
	switch digest := signed.Signers[0].DigestAlgorithm.Algorithm; {
	case digest.Equal(pkcs7.OIDDigestAlgorithmSHA256), digest.Equal(pkcs7.OIDDigestAlgorithmSHA384), digest.Equal(pkcs7.OIDDigestAlgorithmSHA512):
	default:
		m.weak = true
		return m, nil // it is refused, whoever signed
	}
	return m, verify(signed, m.signer)
}

// verify verifies the signature. The library also holds the time that the client says it is
// against its certificate; but it may have no clock, and a certificate that has expired may
// be good for renewal, which is looked up by our time.
func verify(signed *pkcs7.PKCS7, signer *x509.Certificate) error {
	first, last := signer.NotBefore, signer.NotAfter
	signer.NotBefore, signer.NotAfter = time.Time{}, time.Unix(1<<40, 0)
	defer func() { signer.NotBefore, signer.NotAfter = first, last }()
	return signed.Verify()
}

// notPrintable reports whether a character is none of a transaction id, which is a
// PrintableString, and comes back in the answer.
func notPrintable(c rune) bool { return c < ' ' || c > '~' }

// key is the SHA-256 of the key that signed.
func (m *message) key() [32]byte { return sha256.Sum256(m.signer.RawSubjectPublicKeyInfo) }
