package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// A signer makes the issuing key's signatures.
type signer struct {
	key       crypto.Signer
	algorithm algorithm
	public    *x509.Certificate // holds the public key alone, to verify with
	verify    bool              // check each signature before it leaves
}

// An algorithm is how one kind of key signs.
type algorithm struct {
	id   x509.SignatureAlgorithm
	hash crypto.Hash // 0: the key hashes by itself
	der  []byte      // AlgorithmIdentifier
}

// newSigner refuses a key that is not that of the certificate, and has it sign
// once: a token that cannot shall be found out at the start.
//
// Signatures of an in-process elliptic-curve key are not verified afterwards:
// that costs twice the signing, and guards only against this machine computing
// wrongly. Those of a key elsewhere (HSM, TPM) are; an RSA key's are too, since a
// single faulty one gives the key away.
func newSigner(key crypto.Signer, public crypto.PublicKey) (*signer, error) {
	if own, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(public) {
		return nil, errors.New("ca: the key is not that of the issuing certificate")
	}
	algorithm, err := algorithmFor(public)
	if err != nil {
		return nil, err
	}
	s := &signer{key: key, algorithm: algorithm, public: &x509.Certificate{PublicKey: public}, verify: true}
	if _, err := s.sign([]byte("betonica key check")); err != nil {
		return nil, fmt.Errorf("ca: trying the issuing key: %w", err)
	}
	switch key.(type) {
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
		s.verify = false
	}
	return s, nil
}

// sign returns a signature of message.
func (s *signer) sign(message []byte) ([]byte, error) {
	signed := message
	if hash := s.algorithm.hash; hash != 0 {
		h := hash.New()
		h.Write(message)
		signed = h.Sum(nil)
	}
	signature, err := s.key.Sign(rand.Reader, signed, s.algorithm.hash)
	if err != nil {
		return nil, err
	}
	if s.verify {
		if err := s.public.CheckSignature(s.algorithm.id, message, signature); err != nil {
			return nil, fmt.Errorf("the signature made does not verify: %w", err)
		}
	}
	return signature, nil
}

// sign makes and parses the Certificate of a TBSCertificate. Parsing is a check,
// too: what our own machines would not accept is not handed out.
func (a *Authority) sign(tbs cryptobyte.BuilderContinuation) (*x509.Certificate, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 1024))
	b.AddASN1(der.SEQUENCE, tbs)
	message, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	signature, err := a.signer.sign(message)
	if err != nil {
		return nil, err
	}
	var c cryptobyte.Builder
	c.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(message)
		b.AddBytes(a.signer.algorithm.der)
		b.AddASN1BitString(signature)
	})
	certificate, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(certificate)
}

// algorithmFor returns how keys of the kind sign: with a hash as strong as the
// key.
func algorithmFor(public crypto.PublicKey) (algorithm, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return newAlgorithm(x509.ECDSAWithSHA256, crypto.SHA256, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, false)
		case elliptic.P384():
			return newAlgorithm(x509.ECDSAWithSHA384, crypto.SHA384, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, false)
		}
	case ed25519.PublicKey:
		return newAlgorithm(x509.PureEd25519, 0, asn1.ObjectIdentifier{1, 3, 101, 112}, false)
	case *rsa.PublicKey:
		return newAlgorithm(x509.SHA256WithRSA, crypto.SHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, true)
	}
	return algorithm{}, errors.New("ca: an issuing key must be P-256, P-384, Ed25519 or RSA")
}

// newAlgorithm encodes the identifier; RSA's parameters are NULL (RFC 4055,
// Section 5), the others' absent (RFC 5758, Section 3.2; RFC 8410, Section 3).
func newAlgorithm(id x509.SignatureAlgorithm, hash crypto.Hash, oid asn1.ObjectIdentifier, null bool) (algorithm, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
	encoded, err := b.Bytes()
	return algorithm{id, hash, encoded}, err
}
