package ocsp

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/revoke/x690"
)

// A Responder signs answers.
type Responder struct {
	certificate []byte // DER; nil: the relying party has it
	keyID       [sha1name.Size]byte
	signer      crypto.Signer
	algorithm   x690.Algorithm
}

// NewResponder takes the certificate of who signs, and its key: ECDSA on P-256 or
// P-384, RSA or Ed25519. The certificate is one that the issuer made for this, with
// the extended key usage OCSPSigning, and then goes into every answer (RFC 9919,
// Section 3.2.2); or the issuer's own, which does not.
func NewResponder(certificate *x509.Certificate, signer crypto.Signer) (*Responder, error) {
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(certificate.PublicKey) {
		return nil, errors.New("the OCSP responder's key is not that of its certificate")
	}
	bits, err := keyBits(certificate)
	if err != nil {
		return nil, err
	}
	algorithm, err := x690.AlgorithmOf(certificate.PublicKey)
	if err != nil {
		return nil, err
	}
	r := &Responder{keyID: sha1name.Of(bits), signer: signer, algorithm: algorithm}
	switch {
	case slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		r.certificate = certificate.Raw
	case !certificate.IsCA:
		return nil, errors.New("certificate is neither a CA's nor one for signing OCSP answers")
	}
	return r, nil
}

// Sign returns the answer in DER. One signature covers all that is in it. The order
// of the answers is kept, and each repeats the bytes of its CertID.
func (r *Responder) Sign(p Response) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	w := writer{b: make([]byte, 0, 512+len(r.certificate))}
	outer := w.open(x690.Sequence)
	w.add(x690.Enumerated, 0) // successful
	explicit := w.open(x690.Context0)
	body := w.open(x690.Sequence)
	w.add(x690.OID, []byte(oidBasic)...)
	octets := w.open(x690.OctetString)
	basic := w.open(x690.Sequence)

	begin := len(w.b)
	w.response(&p, r.keyID[:])
	signature, err := crypto.SignMessage(r.signer, rand.Reader, w.b[begin:], r.algorithm.Hash)
	if err != nil {
		return nil, fmt.Errorf("signing an OCSP answer: %w", err)
	}
	w.raw([]byte(r.algorithm.DER))
	bits := w.open(x690.BitString)
	w.raw([]byte{0}) // no unused bits
	w.raw(signature)
	w.close(bits)
	if r.certificate != nil {
		certificates := w.open(x690.Context0)
		list := w.open(x690.Sequence)
		w.raw(r.certificate)
		w.close(list)
		w.close(certificates)
	}
	for _, mark := range []int{basic, octets, body, explicit, outer} {
		w.close(mark)
	}
	return w.b, nil
}
