package attest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/attest"
)

const (
	device           = "pump-0042"
	keyAuthorization = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
)

// A forgery is an attestation as a TPM would make it, by a key in software that a
// trusted CA takes for a TPM's. Every part can be bent before it is signed, so
// that the one check that the part is for must find it.
type forgery struct {
	attest.Options
	ca       *attestationCA
	template *x509.Certificate // of the attestation key
	ak       crypto.Signer

	key  crypto.PublicKey // the attested one
	pub  tpm2.TPMTPublic
	info tpm2.TPMSAttest
	name []byte // what certInfo certifies; nil: pub
	raw  []byte // what is signed in info's place; nil: info

	cose int64
	hash crypto.Hash
	sign func(digest []byte) tpm2.TPMUSignature
	late func(o map[string]any, st map[string]any) // bends the finished object
}

// newForgery returns a good one.
func newForgery(t testing.TB) *forgery {
	key := newKey(t)
	f := &forgery{
		ca:       newCA(t, nil),
		template: akTemplate(permanentIdentifier(device)),
		key:      key.Public(),
		pub:      eccPublic(t, key),
		cose:     -7,
		hash:     crypto.SHA256,
		late:     func(map[string]any, map[string]any) {},
	}
	f.Options = attest.Options{Roots: f.ca.roots(), KeyAuthorization: keyAuthorization, Identifier: device, Now: now}
	extra := sha256.Sum256([]byte(keyAuthorization))
	f.info = tpm2.TPMSAttest{
		Magic:     tpm2.TPMGeneratedValue,
		Type:      tpm2.TPMSTAttestCertify,
		ExtraData: tpm2.TPM2BData{Buffer: extra[:]},
	}
	f.useECDSA(newKey(t), tpm2.TPMAlgSHA256)
	return f
}

// useECDSA makes ak the attestation key, and has its signatures say hash.
func (f *forgery) useECDSA(ak *ecdsa.PrivateKey, hash tpm2.TPMIAlgHash) {
	f.ak = ak
	f.sign = func(digest []byte) tpm2.TPMUSignature {
		r, s, err := ecdsa.Sign(rand.Reader, ak, digest)
		if err != nil {
			panic(err)
		}
		return tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
			Hash: hash, SignatureR: tpm2.TPM2BECCParameter{Buffer: r.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: s.Bytes()},
		})
	}
}

// useRSA does the same with an RSA key and either scheme.
func (f *forgery) useRSA(ak *rsa.PrivateKey, scheme tpm2.TPMAlgID) {
	f.ak = ak
	f.sign = func(digest []byte) tpm2.TPMUSignature {
		var opts crypto.SignerOpts = f.hash
		if scheme == tpm2.TPMAlgRSAPSS {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: f.hash}
		}
		sig, err := ak.Sign(rand.Reader, digest, opts)
		if err != nil {
			panic(err)
		}
		id := map[crypto.Hash]tpm2.TPMIAlgHash{crypto.SHA1: tpm2.TPMAlgSHA1, crypto.SHA256: tpm2.TPMAlgSHA256}[f.hash]
		return tpm2.NewTPMUSignature(scheme, &tpm2.TPMSSignatureRSA{Hash: id, Sig: tpm2.TPM2BPublicKeyRSA{Buffer: sig}})
	}
}

// seal certifies and signs, and returns the attestation object.
func (f *forgery) seal(t testing.TB) []byte {
	pubArea := tpm2.Marshal(f.pub)
	if f.name == nil {
		var name *tpm2.TPM2BName
		var err error
		fips140.WithoutEnforcement(func() { name, err = tpm2.ObjectName(&f.pub) })
		require.NoError(t, err)
		f.name = name.Buffer
	}
	if f.info.Type == tpm2.TPMSTAttestCertify {
		f.info.Attested = tpm2.NewTPMUAttest(f.info.Type, &tpm2.TPMSCertifyInfo{Name: tpm2.TPM2BName{Buffer: f.name}})
	}
	certInfo := tpm2.Marshal(f.info)
	if f.raw != nil {
		certInfo = f.raw
	}
	var union tpm2.TPMUSignature
	fips140.WithoutEnforcement(func() { // no TPM is in our mode
		h := f.hash.New()
		h.Write(certInfo)
		union = f.sign(h.Sum(nil))
	})
	scheme := tpm2.TPMAlgECDSA
	if _, err := union.RSASSA(); err == nil {
		scheme = tpm2.TPMAlgRSASSA
	} else if _, err := union.RSAPSS(); err == nil {
		scheme = tpm2.TPMAlgRSAPSS
	}
	st := map[string]any{
		"ver": "2.0", "alg": f.cose, "x5c": f.ca.certify(t, f.template, f.ak.Public()),
		"sig": tpm2.Marshal(tpm2.TPMTSignature{SigAlg: scheme, Signature: union}), "certInfo": certInfo, "pubArea": pubArea,
	}
	o := map[string]any{"fmt": "tpm", "attStmt": st}
	f.late(o, st)
	return encode(t, o)
}

func encode(t testing.TB, v any) []byte {
	b, err := cbor.Marshal(v)
	require.NoError(t, err)
	return b
}

// inTPM are the attributes of a signing key that was made in a TPM and stays there.
func inTPM() tpm2.TPMAObject {
	return tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true}
}

// eccPublic returns key's public area.
func eccPublic(t testing.TB, key *ecdsa.PrivateKey) tpm2.TPMTPublic {
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	n := len(point) / 2
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgECC,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: inTPM(),
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: point[1 : 1+n]}, Y: tpm2.TPM2BECCParameter{Buffer: point[1+n:]},
		}),
	}
}

// rsaPublic returns key's public area.
func rsaPublic(key *rsa.PrivateKey) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgRSA,
		NameAlg:          tpm2.TPMAlgSHA384,
		ObjectAttributes: inTPM(),
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048}),
		Unique:           tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()}),
	}
}
