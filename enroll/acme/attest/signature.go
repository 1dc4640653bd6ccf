package attest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of algorithms
	_ "crypto/sha512"
	"errors"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// An algorithm is what a COSE number stands for, in the words of a TPM and of Go.
type algorithm struct {
	scheme  tpm2.TPMIAlgSigScheme
	hashAlg tpm2.TPMIAlgHash
	hash    crypto.Hash
}

// algorithmOf returns what an attestation key may sign with (RFC 9053, Section
// 2.1; RFC 8230; RFC 8812). Nothing with SHA-1 is among it: RS1, -65535, is what
// some TPM software still defaults to.
func algorithmOf(cose int64) (algorithm, bool) {
	a, ok := map[int64]algorithm{
		-7:   {tpm2.TPMAlgECDSA, tpm2.TPMAlgSHA256, crypto.SHA256},
		-35:  {tpm2.TPMAlgECDSA, tpm2.TPMAlgSHA384, crypto.SHA384},
		-36:  {tpm2.TPMAlgECDSA, tpm2.TPMAlgSHA512, crypto.SHA512},
		-37:  {tpm2.TPMAlgRSAPSS, tpm2.TPMAlgSHA256, crypto.SHA256},
		-38:  {tpm2.TPMAlgRSAPSS, tpm2.TPMAlgSHA384, crypto.SHA384},
		-39:  {tpm2.TPMAlgRSAPSS, tpm2.TPMAlgSHA512, crypto.SHA512},
		-257: {tpm2.TPMAlgRSASSA, tpm2.TPMAlgSHA256, crypto.SHA256},
		-258: {tpm2.TPMAlgRSASSA, tpm2.TPMAlgSHA384, crypto.SHA384},
		-259: {tpm2.TPMAlgRSASSA, tpm2.TPMAlgSHA512, crypto.SHA512},
	}[cose]
	return a, ok
}

var errBadSignature = errors.New("wrong key type or signature")

// checkSignature reports whether the attestation key has signed certInfo with the
// algorithm that the statement says, and the signature says the same.
func checkSignature(ak crypto.PublicKey, st *statement) error {
	alg, ok := algorithmOf(st.Algorithm)
	if !ok {
		return refuse("the signature algorithm is not accepted", nil)
	}
	sig, err := tpm2.Unmarshal[tpm2.TPMTSignature](st.Signature)
	if err != nil {
		return refuse("sig is not a TPMT_SIGNATURE", err)
	}
	if sig.SigAlg != alg.scheme {
		return refuse("sig is of another algorithm than alg says", nil)
	}
	h := alg.hash.New()
	h.Write(st.CertInfo)
	switch alg.scheme {
	case tpm2.TPMAlgECDSA:
		err = checkECDSA(ak, sig, alg, h.Sum(nil))
	default:
		err = checkRSA(ak, sig, alg, h.Sum(nil))
	}
	if err != nil {
		return refuse("sig is not the attestation key's signature over certInfo", err)
	}
	return nil
}

func checkECDSA(ak crypto.PublicKey, sig *tpm2.TPMTSignature, alg algorithm, digest []byte) error {
	key, ok := ak.(*ecdsa.PublicKey)
	s, err := sig.Signature.ECDSA()
	if !ok || err != nil || s.Hash != alg.hashAlg {
		return errBadSignature
	}
	r, t := new(big.Int).SetBytes(s.SignatureR.Buffer), new(big.Int).SetBytes(s.SignatureS.Buffer)
	if !ecdsa.Verify(key, digest, r, t) {
		return errBadSignature
	}
	return nil
}

func checkRSA(ak crypto.PublicKey, sig *tpm2.TPMTSignature, alg algorithm, digest []byte) error {
	key, ok := ak.(*rsa.PublicKey)
	if !ok {
		return errBadSignature
	}
	if alg.scheme == tpm2.TPMAlgRSAPSS {
		s, err := sig.Signature.RSAPSS()
		if err != nil || s.Hash != alg.hashAlg {
			return errBadSignature
		}
		// TPMs differ in the length of the salt (Part 1, Annex B.7).
		return rsa.VerifyPSS(key, alg.hash, digest, s.Sig.Buffer, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto})
	}
	s, err := sig.Signature.RSASSA()
	if err != nil || s.Hash != alg.hashAlg {
		return errBadSignature
	}
	return rsa.VerifyPKCS1v15(key, alg.hash, digest, s.Sig.Buffer)
}
