//go:build !windows

package key

import (
	"fmt"
	"io"

	legacy "github.com/google/go-tpm/legacy/tpm2"
	"github.com/google/go-tpm/tpmutil"
	"go.step.sm/crypto/tpm/tss2"
)

// srkHandle is where the storage root key stays (Registry of Reserved TPM 2.0 Handles and
// Localities, Section 2.3.1).
const srkHandle tpmutil.Handle = 0x81000001

// signs are the attributes of a key that was made in its TPM, never leaves it, and signs
// what it is given.
const signs = legacy.FlagSign | legacy.FlagFixedTPM | legacy.FlagFixedParent | legacy.FlagSensitiveDataOrigin | legacy.FlagUserWithAuth

// templates are the keys that every TPM 2.0 of a PC can make (PC Client Platform TPM
// Profile), P-384 the newer ones.
var templates = map[string]legacy.Public{
	"P-256":    elliptic(legacy.CurveNISTP256, legacy.AlgSHA256, 32),
	"P-384":    elliptic(legacy.CurveNISTP384, legacy.AlgSHA384, 48),
	"RSA-2048": {Type: legacy.AlgRSA, NameAlg: legacy.AlgSHA256, Attributes: signs, RSAParameters: &legacy.RSAParams{KeyBits: 2048}},
}

func elliptic(curve legacy.EllipticCurve, hash legacy.Algorithm, octets int) legacy.Public {
	return legacy.Public{
		Type: legacy.AlgECC, NameAlg: hash, Attributes: signs,
		ECCParameters: &legacy.ECCParams{
			Sign:    &legacy.SigScheme{Alg: legacy.AlgECDSA, Hash: hash},
			CurveID: curve,
			Point:   legacy.ECPoint{XRaw: make([]byte, octets), YRaw: make([]byte, octets)},
		},
	}
}

// attests is the key that signs nothing but what its TPM says.
var attests = legacy.Public{
	Type: legacy.AlgRSA, NameAlg: legacy.AlgSHA256, Attributes: signs | legacy.FlagRestricted | legacy.FlagNoDA,
	RSAParameters: &legacy.RSAParams{Sign: &legacy.SigScheme{Alg: legacy.AlgRSASSA, Hash: legacy.AlgSHA256}, KeyBits: 2048},
}

// storageRoot returns the key below which all others are, and makes it if there is none,
// by the TCG's template.
func storageRoot(rw io.ReadWriter) (tpmutil.Handle, error) {
	_, _, _, missing := legacy.ReadPublic(rw, srkHandle)
	if missing == nil {
		return srkHandle, nil
	}
	made, _, err := legacy.CreatePrimary(rw, legacy.HandleOwner, legacy.PCRSelection{}, "", "", tss2.RSASRKTemplate)
	if err != nil {
		return 0, fmt.Errorf("there is no storage root key (%w), nor can one be made: %w", missing, err)
	}
	defer legacy.FlushContext(rw, made)
	if err := legacy.EvictControl(rw, "", legacy.HandleOwner, made, srkHandle); err != nil {
		return 0, fmt.Errorf("keeping the storage root key: %w", err)
	}
	return srkHandle, nil
}

// load loads a wrapped key, until it is flushed.
func load(rw io.ReadWriter, wrapped *tss2.TPMKey) (tpmutil.Handle, error) {
	handle, _, err := legacy.Load(rw, tpmutil.Handle(wrapped.Parent), "", wrapped.PublicKey[2:], wrapped.PrivateKey[2:])
	return handle, err
}
