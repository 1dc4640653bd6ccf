package attest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"

	"github.com/google/go-tpm/tpm2"
)

// template returns the public area of an endorsement key as the TCG's templates make it
// (EK Credential Profile, Annex B): the low range, of RSA-2048 and P-256, has Names by
// SHA-256 and AES-128; the high range SHA-384 and AES-256. Only what a credential
// depends on is filled in.
func template(key crypto.PublicKey) (*tpm2.TPMTPublic, error) {
	pub := &tpm2.TPMTPublic{NameAlg: tpm2.TPMAlgSHA256}
	bits := tpm2.TPMKeyBits(128)
	high := func() { pub.NameAlg, bits = tpm2.TPMAlgSHA384, 256 }
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() > 2048 {
			high()
		}
		pub.Type = tpm2.TPMAlgRSA
		pub.Parameters = tpm2.NewTPMUPublicParms(pub.Type, &tpm2.TPMSRSAParms{Symmetric: aes(bits), KeyBits: tpm2.TPMKeyBits(k.N.BitLen())})
		pub.Unique = tpm2.NewTPMUPublicID(pub.Type, &tpm2.TPM2BPublicKeyRSA{Buffer: k.N.Bytes()})
	case *ecdsa.PublicKey:
		curve := tpm2.TPMECCNistP256
		if k.Curve == elliptic.P384() {
			curve = tpm2.TPMECCNistP384
			high()
		}
		point, err := k.Bytes() // 4, then the coordinates in full length
		if err != nil {
			return nil, formf("the point is not on the curve")
		}
		half := len(point) / 2
		pub.Type = tpm2.TPMAlgECC
		pub.Parameters = tpm2.NewTPMUPublicParms(pub.Type, &tpm2.TPMSECCParms{Symmetric: aes(bits), CurveID: curve})
		pub.Unique = tpm2.NewTPMUPublicID(pub.Type, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: point[1 : 1+half]}, Y: tpm2.TPM2BECCParameter{Buffer: point[1+half:]},
		})
	default:
		return nil, formf("ek_cert: the key is neither RSA nor of a NIST curve")
	}
	return pub, nil
}

// aes is AES in CFB mode, as all of the templates have it.
func aes(bits tpm2.TPMKeyBits) tpm2.TPMTSymDefObject {
	return tpm2.TPMTSymDefObject{
		Algorithm: tpm2.TPMAlgAES,
		KeyBits:   tpm2.NewTPMUSymKeyBits(tpm2.TPMAlgAES, bits),
		Mode:      tpm2.NewTPMUSymMode(tpm2.TPMAlgAES, tpm2.TPMAlgCFB),
	}
}
