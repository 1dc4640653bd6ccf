package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// A formError says what is wrong with what a TPM, or its maker, is said to have made.
// Its text may go to the client: it names the check, and nothing that was sent.
type formError struct{ detail string }

func (e *formError) Error() string { return e.detail }

func formf(format string, args ...any) error { return &formError{fmt.Sprintf(format, args...)} }

// maxArea is the size of the largest public area that is read, in bytes: RSA-4096 takes
// less than 600.
const maxArea = 1024

// An attestationKey is the public area of a key that signs only what its TPM says.
type attestationKey struct {
	key  crypto.PublicKey
	name []byte // TPM 2.0 Library, Part 1, Section 16
}

// parseAK reads the TPMT_PUBLIC of an attestation key. It must be one: made in its TPM,
// unable to leave it, and restricted to sign what the TPM made. That the TPM has it at
// all, its answer to the challenge for its Name will show.
func parseAK(area []byte) (attestationKey, error) {
	pub, err := parsePublic(area)
	if err != nil {
		return attestationKey{}, formf("ak_pub: %v", err)
	}
	a := pub.ObjectAttributes
	switch {
	case !a.Restricted || !a.SignEncrypt || a.Decrypt:
		return attestationKey{}, formf("ak_pub: not an attestation key: it must be restricted, sign, and not decrypt")
	case !a.FixedTPM || !a.FixedParent || !a.SensitiveDataOrigin:
		return attestationKey{}, formf("ak_pub: the key was not made in the TPM, or can leave it")
	case pub.NameAlg != tpm2.TPMAlgSHA256:
		return attestationKey{}, formf("ak_pub: its Name is not by SHA-256")
	}
	if err := signs(pub); err != nil {
		return attestationKey{}, err
	}
	key, err := publicKey(pub)
	if err != nil {
		return attestationKey{}, formf("ak_pub: %v", err)
	}
	name, err := tpm2.ObjectName(pub)
	if err != nil {
		return attestationKey{}, formf("ak_pub: it has no Name")
	}
	return attestationKey{key: key, name: name.Buffer}, nil
}

// signs refuses a scheme that its signatures could not be believed by.
func signs(pub *tpm2.TPMTPublic) error {
	var hash tpm2.TPMIAlgHash
	if p, err := pub.Parameters.RSADetail(); err == nil {
		switch p.Scheme.Scheme {
		case tpm2.TPMAlgRSASSA:
			if s, err := p.Scheme.Details.RSASSA(); err == nil {
				hash = s.HashAlg
			}
		case tpm2.TPMAlgRSAPSS:
			if s, err := p.Scheme.Details.RSAPSS(); err == nil {
				hash = s.HashAlg
			}
		}
	} else if p, err := pub.Parameters.ECCDetail(); err == nil && p.Scheme.Scheme == tpm2.TPMAlgECDSA {
		if s, err := p.Scheme.Details.ECDSA(); err == nil {
			hash = s.HashAlg
		}
	}
	switch hash {
	case tpm2.TPMAlgSHA256, tpm2.TPMAlgSHA384, tpm2.TPMAlgSHA512:
		return nil
	}
	return formf("ak_pub: it does not sign by RSASSA, RSAPSS or ECDSA with SHA-256, SHA-384 or SHA-512")
}

// An endorsementKey is what secrets for a TPM are hidden with.
type endorsementKey struct {
	key  crypto.PublicKey
	area *tpm2.TPMTPublic
}

// parseEK reads the TPMT_PUBLIC of an endorsement key; without one it is the key of the
// first certificate, by the template that the TCG has for it (EK Credential Profile,
// Annex B).
func parseEK(area []byte, chain []*endorsementCertificate) (endorsementKey, error) {
	if len(area) == 0 && len(chain) == 0 {
		return endorsementKey{}, formf("there is neither ek_cert nor ek_pub")
	}
	if len(area) == 0 {
		pub, err := template(chain[0].key)
		return endorsementKey{chain[0].key, pub}, err
	}
	pub, err := parsePublic(area)
	if err != nil {
		return endorsementKey{}, formf("ek_pub: %v", err)
	}
	if a := pub.ObjectAttributes; !a.Restricted || !a.Decrypt || a.SignEncrypt || !a.FixedTPM || !a.FixedParent || !a.SensitiveDataOrigin {
		return endorsementKey{}, formf("ek_pub: not an endorsement key: it must be restricted, decrypt, and not sign, and have been made in the TPM")
	}
	if pub.NameAlg != tpm2.TPMAlgSHA256 && pub.NameAlg != tpm2.TPMAlgSHA384 {
		return endorsementKey{}, formf("ek_pub: its Name is not by SHA-256 or SHA-384")
	}
	if s, ok := symmetric(pub); !ok || s.Algorithm != tpm2.TPMAlgAES {
		return endorsementKey{}, formf("ek_pub: it does not protect by AES")
	}
	key, err := publicKey(pub)
	if err != nil {
		return endorsementKey{}, formf("ek_pub: %v", err)
	}
	if len(chain) > 0 && !equal(key, chain[0].key) {
		return endorsementKey{}, formf("ek_pub is another key than that of ek_cert")
	}
	return endorsementKey{key, pub}, nil
}

func symmetric(pub *tpm2.TPMTPublic) (tpm2.TPMTSymDefObject, bool) {
	if p, err := pub.Parameters.RSADetail(); err == nil {
		return p.Symmetric, true
	}
	if p, err := pub.Parameters.ECCDetail(); err == nil {
		return p.Symmetric, true
	}
	return tpm2.TPMTSymDefObject{}, false
}

// hide makes the credential that holds secret for the object with that Name, in the TPM
// with this endorsement key: TPM2_MakeCredential, in software. What comes back is
// TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET.
func (ek endorsementKey) hide(secret, name []byte) (credential, encrypted []byte, err error) {
	key, err := tpm2.ImportEncapsulationKey(ek.area)
	if err != nil {
		return nil, nil, formf("the endorsement key cannot encrypt")
	}
	object, seed, err := tpm2.CreateCredential(rand.Reader, key, name, secret)
	if err != nil {
		return nil, nil, formf("the endorsement key cannot encrypt")
	}
	return tpm2.Marshal(tpm2.TPM2BIDObject{Buffer: object}), tpm2.Marshal(tpm2.TPM2BEncryptedSecret{Buffer: seed}), nil
}

// parsePublic reads a TPMT_PUBLIC that says everything once, as a TPM would write it.
func parsePublic(area []byte) (*tpm2.TPMTPublic, error) {
	if len(area) > maxArea {
		return nil, formf("larger than %d bytes", maxArea)
	}
	pub, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, formf("not a TPMT_PUBLIC")
	}
	if !bytes.Equal(tpm2.Marshal(pub), area) {
		return nil, formf("a TPMT_PUBLIC that no TPM would write")
	}
	return pub, nil
}

// publicKey returns a key that is strong enough, and not so large that a stranger could
// have us compute for long.
func publicKey(pub *tpm2.TPMTPublic) (crypto.PublicKey, error) {
	key, err := tpm2.Pub(*pub)
	if err != nil {
		return nil, formf("the key is neither RSA nor of a NIST curve")
	}
	return key, strong(key)
}

func strong(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 4096 || k.E != 65537 || k.N.Bit(0) == 0 {
			return formf("an RSA key must have 2048 to 4096 bits and the exponent 65537")
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return formf("an elliptic-curve key must be P-256 or P-384")
		}
		if _, err := k.ECDH(); err != nil { // the point is on the curve
			return formf("the point is not on the curve")
		}
		return nil
	}
	return formf("the key is neither RSA nor of a NIST curve")
}

func equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
