package attest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/attest"
)

// What TPMs make passes, and gives back the key that a certificate may have.
func TestVerify(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		bend func(*forgery)
	}{
		{"ES256", func(*forgery) {}},
		{"RS256", func(f *forgery) { f.cose = -257; f.useRSA(rsaKey, tpm2.TPMAlgRSASSA) }},
		{"PS256", func(f *forgery) { f.cose = -37; f.useRSA(rsaKey, tpm2.TPMAlgRSAPSS) }},
		{"ES384", func(f *forgery) {
			ak, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			require.NoError(t, err)
			f.cose, f.hash = -35, crypto.SHA384
			f.useECDSA(ak, tpm2.TPMAlgSHA384)
		}},
		{"an RSA key is attested", func(f *forgery) { f.key, f.pub = rsaKey.Public(), rsaPublic(rsaKey) }},
		{"named by the subject's serialNumber", func(f *forgery) {
			f.template = akTemplate()
			f.template.Subject.SerialNumber = device
		}},
		{"named by the serialNumber that a permanent identifier stands for", func(f *forgery) {
			f.template = akTemplate(permanentIdentifier(""))
			f.template.Subject.SerialNumber = device
		}},
		{"one of two names", func(f *forgery) {
			f.template = akTemplate(permanentIdentifier("other"), permanentIdentifier(device))
		}},
		{"trusted without a CA between", func(f *forgery) {
			f.ca.sub, f.ca.subKey = f.ca.root, f.ca.rootKey
		}},
		{"a CA limited to attestation", func(f *forgery) {
			f.ca = newCA(t, func(sub *x509.Certificate) { sub.UnknownExtKeyUsage = append(sub.UnknownExtKeyUsage, oidAIK) })
			f.Roots = f.ca.roots()
		}},
		{"fields of later versions", func(f *forgery) {
			f.late = func(o, st map[string]any) { o["authData"], st["more"] = []byte{}, 1 }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newForgery(t)
			tt.bend(f)
			got, err := attest.Verify(f.seal(t), f.Options)
			require.NoError(t, err)
			spki, err := x509.MarshalPKIXPublicKey(f.key)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(spki), got)
		})
	}
}
