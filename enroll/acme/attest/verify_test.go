package attest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
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

// What the caller has on record himself needs no root, and is good as long as he says
// so; what he does not know is a matter of the roots, as if he had not been asked.
func TestKnown(t *testing.T) {
	gone := errors.New("revoked")
	for _, tt := range []struct {
		name  string
		known bool
		err   error
		roots bool
		ok    bool
	}{
		{"on record", true, nil, false, true},
		{"on record, and no good any more", true, gone, true, false},
		{"the record cannot be read", false, gone, true, false},
		{"not on record, and trusted", false, nil, true, true},
		{"not on record, and not trusted", false, nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newForgery(t)
			if !tt.roots {
				f.Roots = nil
			}
			f.Known = func(ak *x509.Certificate) (bool, error) {
				require.Equal(t, f.ak.Public(), ak.PublicKey)
				return tt.known, tt.err
			}
			_, err := attest.Verify(f.seal(t), f.Options)
			require.Equal(t, tt.ok, err == nil, "%v", err)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
		})
	}
	f := newForgery(t) // what is on record must sign, too
	f.Roots, f.Known = nil, func(*x509.Certificate) (bool, error) { return true, nil }
	f.late = func(_, st map[string]any) { st["sig"] = []byte{0} }
	_, err := attest.Verify(f.seal(t), f.Options)
	require.Error(t, err)
}

// A statement in another form than CBOR is held to the same.
func TestVerifyStatement(t *testing.T) {
	f := newForgery(t)
	var st attest.Statement
	f.late = func(_, m map[string]any) {
		st = attest.Statement{
			Algorithm: m["alg"].(int64), X5C: m["x5c"].([][]byte), Signature: m["sig"].([]byte), CertInfo: m["certInfo"].([]byte), PubArea: m["pubArea"].([]byte),
		}
	}
	f.seal(t)
	spki, err := attest.VerifyStatement(st, f.Options)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(f.key)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(der), spki)
	for name, bend := range map[string]func(*attest.Statement){
		"no certificate": func(st *attest.Statement) { st.X5C = nil },
		"no signature":   func(st *attest.Statement) { st.Signature = nil },
		"nothing said":   func(st *attest.Statement) { st.CertInfo = nil },
		"no key":         func(st *attest.Statement) { st.PubArea = nil },
		"cut short":      func(st *attest.Statement) { st.PubArea = st.PubArea[:len(st.PubArea)-1] },
		"with more":      func(st *attest.Statement) { st.PubArea = append(slices.Clone(st.PubArea), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			bad := st
			bend(&bad)
			_, err := attest.VerifyStatement(bad, f.Options)
			require.Error(t, err)
		})
	}
}
