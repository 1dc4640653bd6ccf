//go:build !windows

package key

import (
	"crypto"
	"crypto/rsa"
	"errors"

	legacy "github.com/google/go-tpm/legacy/tpm2"
)

// endorsementPolicy is TPM2_PolicySecret(TPM_RH_ENDORSEMENT), SHA-256 (EK Credential
// Profile, Annex B.3.3).
var endorsementPolicy = []byte{
	0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
	0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
}

// endorsementArea returns the TPMT_PUBLIC of an endorsement key that is made by the
// TCG's template for RSA-2048 (template L-1), which is the one that the libraries use.
func endorsementArea(public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok || key.N.BitLen() != 2048 {
		return nil, errors.New("the TPM's endorsement key is not RSA-2048")
	}
	return legacy.Public{
		Type:    legacy.AlgRSA,
		NameAlg: legacy.AlgSHA256,
		Attributes: legacy.FlagFixedTPM | legacy.FlagFixedParent | legacy.FlagSensitiveDataOrigin |
			legacy.FlagAdminWithPolicy | legacy.FlagRestricted | legacy.FlagDecrypt,
		AuthPolicy: endorsementPolicy,
		RSAParameters: &legacy.RSAParams{
			Symmetric:  &legacy.SymScheme{Alg: legacy.AlgAES, KeyBits: 128, Mode: legacy.AlgCFB},
			KeyBits:    2048,
			ModulusRaw: key.N.Bytes(),
		},
	}.Encode()
}
