package attest_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/attest"
)

// A refusal names the statement that must not pass, and the words of the check
// that must find it.
type refusal struct {
	name   string
	detail string
	bend   func(*testing.T, *forgery)
}

func refused(t *testing.T, table []refusal) {
	for _, tt := range table {
		t.Run(tt.name, func(t *testing.T) {
			f := newForgery(t)
			tt.bend(t, f)
			_, err := attest.Verify(f.seal(t), f.Options)
			var e *attest.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "badAttestationStatement", e.Kind)
			require.Contains(t, e.Detail, tt.detail)
		})
	}
}

// late returns a bend of the finished statement.
func late(bend func(o, st map[string]any)) func(*testing.T, *forgery) {
	return func(_ *testing.T, f *forgery) { f.late = bend }
}

// An object that is not one of the "tpm" format is not interpreted.
func TestObjectRefused(t *testing.T) {
	chain := func(n int) func(o, st map[string]any) {
		return func(_, st map[string]any) {
			x5c := st["x5c"].([][]byte)
			for len(x5c) < n {
				x5c = append(x5c, x5c[1])
			}
			st["x5c"] = x5c[:n]
		}
	}
	refused(t, []refusal{
		{"another format", "format is not supported", late(func(o, _ map[string]any) { o["fmt"] = "packed" })},
		{"no format", "format is not supported", late(func(o, _ map[string]any) { delete(o, "fmt") })},
		{"the format in capitals", "format is not supported", late(func(o, _ map[string]any) { o["FMT"] = "tpm"; delete(o, "fmt") })},
		{"no statement", "statement is not the CBOR", late(func(o, _ map[string]any) { delete(o, "attStmt") })},
		{"a statement that is none", "statement is not the CBOR", late(func(o, _ map[string]any) { o["attStmt"] = "tpm" })},
		{"too deep", "not the CBOR", late(func(o, _ map[string]any) { o["more"] = [][][][]int{{{{}}}} })},
		{"too wide", "not the CBOR", late(func(o, _ map[string]any) { o["more"] = make([]int, 17) })},
		{"too many pairs", "not the CBOR", late(func(o, _ map[string]any) {
			for i := range 15 {
				o[string(rune('a'+i))] = 0
			}
		})},
		{"too large", "larger than 32 KiB", late(func(o, _ map[string]any) { o["more"] = make([]byte, 32<<10) })},
		{"another version", "version", late(func(_, st map[string]any) { st["ver"] = "1.2" })},
		{"no certificate", "x5c holds no certificate", late(chain(0))},
		{"nine certificates", "x5c holds no certificate, or more than 8", late(chain(9))},
		{"not a certificate", "not a certificate", late(func(_, st map[string]any) { st["x5c"] = [][]byte{{0x30, 0}} })},
		{"an RSA key that is dear to use", "4096 bits", func(t *testing.T, f *forgery) {
			n := new(big.Int).Lsh(big.NewInt(1), 4096)
			huge := sign(t, caTemplate("Huge"), f.ca.root, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}, f.ca.rootKey)
			f.late = func(_, st map[string]any) { st["x5c"] = append(st["x5c"].([][]byte), huge.Raw) }
		}},
	})
}

// CBOR that says a thing twice, or in a way of its own, is no statement.
func TestEncodingRefused(t *testing.T) {
	f := newForgery(t)
	good := f.seal(t)
	_, err := attest.Verify(good, f.Options)
	require.NoError(t, err)
	require.Equal(t, byte(0xa2), good[0]) // a map of two
	rest := good[1:]
	for name, obj := range map[string][]byte{
		"nothing":          {},
		"trailing byte":    append(bytes.Clone(good), 0),
		"cut short":        good[:len(good)-1],
		"a key twice":      append(append([]byte{0xa3}, rest...), append(encode(t, "fmt"), encode(t, "tpm")...)...),
		"indefinite":       append(append([]byte{0xbf}, rest...), 0xff),
		"tagged":           append([]byte{0xd9, 0xd9, 0xf7}, good...),
		"length of no end": {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := attest.Verify(obj, f.Options)
			var e *attest.Error
			require.ErrorAs(t, err, &e)
		})
	}
}

// Only an attestation key's certificate counts, from a trusted CA, in time, and
// for the device that is asked for: one that names nobody is for nobody.
func TestAttestationKeyRefused(t *testing.T) {
	notTrusted, notAK, notNamed := "trusted attestation CA", "not one for an attestation key", "does not name the identifier"
	refused(t, []refusal{
		{"no roots", "no attestation CA", func(_ *testing.T, f *forgery) { f.Roots = nil }},
		{"empty roots", notTrusted, func(_ *testing.T, f *forgery) { f.Roots = x509.NewCertPool() }},
		{"other roots", notTrusted, func(t *testing.T, f *forgery) { f.Roots = newCA(t, nil).roots() }},
		{"the CA between is missing", notTrusted, late(func(_, st map[string]any) { st["x5c"] = st["x5c"].([][]byte)[:1] })},
		{"too late", notTrusted, func(_ *testing.T, f *forgery) { f.template.NotAfter = now.Add(-1e9) }},
		{"too early", notTrusted, func(_ *testing.T, f *forgery) { f.template.NotBefore = now.Add(1e9) }},
		{"a critical extension that nobody knows", notTrusted, func(_ *testing.T, f *forgery) {
			f.template.ExtraExtensions = append(f.template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}},
		{"a CA for something else", notTrusted, func(t *testing.T, f *forgery) {
			f.ca = newCA(t, func(sub *x509.Certificate) { sub.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
			f.Roots = f.ca.roots()
		}},
		{"no usage", notAK, func(_ *testing.T, f *forgery) { f.template.UnknownExtKeyUsage = nil }},
		{"usage of an endorsement key", notAK, func(_ *testing.T, f *forgery) {
			f.template.UnknownExtKeyUsage[0] = asn1.ObjectIdentifier{2, 23, 133, 8, 1}
		}},
		{"any usage", notAK, func(_ *testing.T, f *forgery) {
			f.template.UnknownExtKeyUsage, f.template.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		}},
		{"a CA", notAK, func(_ *testing.T, f *forgery) {
			f.template.BasicConstraintsValid, f.template.IsCA = true, true
		}},
		{"names nobody", notNamed, func(_ *testing.T, f *forgery) { f.template = akTemplate() }},
		{"names nobody, and nobody is asked for", "no attestation CA, identifier", func(_ *testing.T, f *forgery) {
			f.template, f.Identifier = akTemplate(), ""
		}},
		{"names another", notNamed, func(_ *testing.T, f *forgery) { f.template = akTemplate(permanentIdentifier("pump-0043")) }},
		{"names it in other letters", notNamed, func(_ *testing.T, f *forgery) { f.template = akTemplate(permanentIdentifier("PUMP-0042")) }},
		{"a name that begins like it", notNamed, func(_ *testing.T, f *forgery) { f.template = akTemplate(permanentIdentifier(device + "1")) }},
		{"a serialNumber that another name overrules", notNamed, func(_ *testing.T, f *forgery) {
			f.template = akTemplate(permanentIdentifier("pump-0043"))
			f.template.Subject.SerialNumber = device
		}},
		{"only the common name", notNamed, func(_ *testing.T, f *forgery) {
			f.template = akTemplate()
			f.template.Subject.CommonName = device
		}},
		{"an otherName of another type", notNamed, func(_ *testing.T, f *forgery) {
			f.template = akTemplate(otherName(4, device)) // HardwareModuleName
		}},
	})
}

// A signature counts if the attestation key made it, over certInfo, with an
// algorithm that is sound, and the same one wherever it is named.
func TestSignatureRefused(t *testing.T) {
	bad := "not the attestation key's signature"
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	refused(t, []refusal{
		{"RS1", "algorithm is not accepted", func(_ *testing.T, f *forgery) {
			f.cose, f.hash = -65535, crypto.SHA1
			f.useRSA(key, tpm2.TPMAlgRSASSA)
		}},
		{"RS1 that says RS256", bad, func(_ *testing.T, f *forgery) {
			f.cose, f.hash = -257, crypto.SHA1
			f.useRSA(key, tpm2.TPMAlgRSASSA)
		}},
		{"none", "algorithm is not accepted", func(_ *testing.T, f *forgery) { f.cose = 0 }},
		{"ECDSA that says RS256", "another algorithm", func(_ *testing.T, f *forgery) { f.cose = -257 }},
		{"ECDSA for an RSA key", bad, func(_ *testing.T, f *forgery) { f.ak = key }},
		{"RSA for an ECDSA key", bad, func(t *testing.T, f *forgery) {
			f.cose = -257
			f.useRSA(key, tpm2.TPMAlgRSASSA)
			f.ak = newKey(t)
		}},
		{"says SHA-1", bad, func(t *testing.T, f *forgery) { f.useECDSA(newKey(t), tpm2.TPMAlgSHA1) }},
		{"PSS says SHA-1", bad, func(_ *testing.T, f *forgery) {
			f.cose, f.hash = -37, crypto.SHA1
			f.useRSA(key, tpm2.TPMAlgRSAPSS)
		}},
		{"another key", bad, func(t *testing.T, f *forgery) {
			f.useECDSA(newKey(t), tpm2.TPMAlgSHA256)
			f.ak = newKey(t)
		}},
		{"certInfo changed afterwards", bad, late(func(_, st map[string]any) {
			info := st["certInfo"].([]byte)
			info[len(info)-1] ^= 1
		})},
		{"garbage", "not a TPMT_SIGNATURE", late(func(_, st map[string]any) { st["sig"] = []byte{0, 0x18, 0} })},
		{"nothing", "not a TPMT_SIGNATURE", late(func(_, st map[string]any) { delete(st, "sig") })},
	})
}

// What the attestation key signed counts if a TPM generated it, for this
// challenge, about the key that is shown, which cannot leave the TPM.
func TestCertificationRefused(t *testing.T) {
	another, kept := "another key", "made in the TPM and cannot leave it"
	bend := func(bend func(*forgery)) func(*testing.T, *forgery) {
		return func(_ *testing.T, f *forgery) { bend(f) }
	}
	refused(t, []refusal{
		{"not of a TPM", "not generated by a TPM", bend(func(f *forgery) { f.info.Magic = 0xff544348 })},
		{"another kind of statement", "does not certify", bend(func(f *forgery) {
			f.info.Type = tpm2.TPMSTAttestCreation
			f.info.Attested = tpm2.NewTPMUAttest(f.info.Type, &tpm2.TPMSCreationInfo{})
		})},
		{"garbage", "not a TPMS_ATTEST", bend(func(f *forgery) { f.raw = []byte{1} })},
		{"another challenge", "extraData", bend(func(f *forgery) { f.KeyAuthorization += "x" })},
		{"no challenge", "extraData", bend(func(f *forgery) { f.info.ExtraData.Buffer = nil })},
		{"no key authorization", "no attestation CA, identifier or key authorization", bend(func(f *forgery) { f.KeyAuthorization = "" })},
		{"the name of another key", another, func(t *testing.T, f *forgery) {
			pub := eccPublic(t, newKey(t))
			name, err := tpm2.ObjectName(&pub)
			require.NoError(t, err)
			f.name = name.Buffer
		}},
		{"no name", another, bend(func(f *forgery) { f.name = []byte{} })},
		{"a name by SHA-1", another, bend(func(f *forgery) { f.pub.NameAlg = tpm2.TPMAlgSHA1 })},
		{"the digest without its algorithm", another, func(t *testing.T, f *forgery) {
			name, err := tpm2.ObjectName(&f.pub)
			require.NoError(t, err)
			f.name = name.Buffer[2:]
		}},
		{"pubArea changed afterwards", another, late(func(_, st map[string]any) {
			area := st["pubArea"].([]byte)
			area[len(area)-1] ^= 1
		})},
		{"pubArea cut short", "not a TPMT_PUBLIC", late(func(_, st map[string]any) {
			area := st["pubArea"].([]byte)
			st["pubArea"] = area[:len(area)-1]
		})},
		{"not fixedTPM", kept, bend(func(f *forgery) { f.pub.ObjectAttributes.FixedTPM = false })},
		{"not fixedParent", kept, bend(func(f *forgery) { f.pub.ObjectAttributes.FixedParent = false })},
		{"imported", kept, bend(func(f *forgery) { f.pub.ObjectAttributes.SensitiveDataOrigin = false })},
		{"not for signing", kept, bend(func(f *forgery) { f.pub.ObjectAttributes.SignEncrypt = false })},
		{"a secret", "neither RSA nor", bend(func(f *forgery) {
			f.pub.Type = tpm2.TPMAlgKeyedHash
			f.pub.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash, &tpm2.TPMSKeyedHashParms{})
			f.pub.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgKeyedHash, &tpm2.TPM2BDigest{Buffer: []byte("x")})
		})},
		{"a point off the curve", "not a key", func(t *testing.T, f *forgery) {
			point, err := f.pub.Unique.ECC()
			require.NoError(t, err)
			point.Y.Buffer = append([]byte{}, point.X.Buffer...)
		}},
	})
}
