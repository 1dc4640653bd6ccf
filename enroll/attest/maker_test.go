package attest_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
)

// A maker makes TPMs, and says so: a root, and a CA below it.
type maker struct {
	t       testing.TB
	root, c *x509.Certificate
	key     crypto.Signer
}

func newMaker(t testing.TB) *maker {
	m := &maker{t: t, key: newKey(t)}
	rootKey := newKey(t)
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(87600 * time.Hour),
		}
	}
	m.root = ca("Root")
	m.root = signed(t, m.root, m.root, rootKey.Public(), rootKey)
	m.c = signed(t, ca("TPM CA"), m.root, m.key.Public(), rootKey)
	return m
}

func signed(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func (m *maker) sign(template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	return signed(m.t, template, m.c, public, m.key)
}

// vouch gives the chip a certificate, from a template that bend bends.
func (m *maker) vouch(c *chip, bend func(*x509.Certificate)) {
	c.cert = [][]byte{m.sign(ekTemplate(bend), &c.ek.PublicKey).Raw, m.c.Raw}
}

func (m *maker) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.root.Raw}))
}

// oids are 2.23.133.8.n.
func oids(n int) []asn1.ObjectIdentifier { return []asn1.ObjectIdentifier{{2, 23, 133, 8, n}} }

// ekTemplate is what the certificate of an endorsement key is made of: no subject, a
// critical name of the TPM, and no end.
func ekTemplate(bend func(*x509.Certificate)) *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageKeyEncipherment, UnknownExtKeyUsage: oids(1),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: tpmSAN("id:54455354", "swtpm", "id:00010001")}},
	}
	if bend != nil {
		bend(t)
	}
	return t
}

func tpmSAN(values ...string) []byte {
	var rdn pkix.RelativeDistinguishedNameSET
	for i, v := range values {
		rdn = append(rdn, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 23, 133, 2, i + 1}, Value: v})
	}
	name, err := asn1.Marshal(pkix.RDNSequence{rdn})
	if err != nil {
		panic(err)
	}
	san, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}})
	if err != nil {
		panic(err)
	}
	return san
}

// A TPM that the inventory does not know is whose a token says, if its maker vouches for
// it: then it stands in the certificate what it is. The token is not spent by it.
func TestMaker(t *testing.T) {
	m := newMaker(t)
	w := newWorld(t, tpmPolicy+"tpm_roots = '''\n"+m.pem()+"'''\n")
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	c := newChip(t)
	m.vouch(c, nil)
	_, err := w.begin(c.begin(), "")
	refused(t, err, "not in the inventory")
	challenge, err := w.begin(c.begin(), token)
	require.NoError(t, err)
	issued, err := w.finish(challenge.ID, c.activate(challenge))
	require.NoError(t, err)
	block, _ := pem.Decode([]byte(issued.Certificate))
	require.True(t, bytes.Contains(block.Bytes, []byte("swtpm")))
	_, err = w.begin(c.begin(), token)
	require.NoError(t, err)
}

// Whom no trusted maker vouches for, and for just this, is not believed, token or not.
func TestMakerRefused(t *testing.T) {
	m, stranger := newMaker(t), newMaker(t)
	w := newWorld(t, tpmPolicy+"tpm_roots = '''\n"+m.pem()+"'''\n")
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	for _, tt := range []struct {
		name   string
		detail string
		vouch  func(*chip)
	}{
		{"an unknown maker", "does not lead to", func(c *chip) { stranger.vouch(c, nil) }},
		{"no certificate", "without its maker's certificate", func(*chip) {}},
		{"the CA between is missing", "does not lead to", func(c *chip) { m.vouch(c, nil); c.cert = c.cert[:1] }},
		{"another usage", "not one for an endorsement key", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.UnknownExtKeyUsage = oids(3) })
		}},
		{"no usage", "not one for an endorsement key", func(c *chip) { m.vouch(c, func(cert *x509.Certificate) { cert.UnknownExtKeyUsage = nil }) }},
		{"a key that signs", "a key that decrypts", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.KeyUsage = x509.KeyUsageDigitalSignature })
		}},
		{"a CA", "that of a CA", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.IsCA, cert.BasicConstraintsValid = true, true })
		}},
		{"no name", "does not name", func(c *chip) { m.vouch(c, func(cert *x509.Certificate) { cert.ExtraExtensions = nil }) }},
		{"half a name", "does not name", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.ExtraExtensions[0].Value = tpmSAN("id:54455354", "swtpm") })
		}},
		{"a name that breaks lines", "does not name", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.ExtraExtensions[0].Value = tpmSAN("id:1", "a\nb", "id:1") })
		}},
		{"an end in the past", "not valid", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.NotAfter = time.Now().Add(-time.Minute) })
		}},
		{"a beginning to come", "not valid", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) { cert.NotBefore = time.Now().Add(time.Hour) })
		}},
		{"something critical that nobody knows", "does not lead to", func(c *chip) {
			m.vouch(c, func(cert *x509.Certificate) {
				cert.ExtraExtensions = append(cert.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
			})
		}},
		{"another TPM's certificate", "another key than that of ek_cert", func(c *chip) { m.vouch(newVouched(t, m, c), nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newChip(t)
			tt.vouch(c)
			begin := c.begin()
			begin.EKPublic = c.ekArea()
			_, err := w.begin(begin, token)
			refused(t, err, tt.detail)
		})
	}
}

// newVouched returns a chip whose certificate c shows as its own.
func newVouched(t testing.TB, m *maker, c *chip) *chip {
	other := newChip(t)
	m.vouch(other, nil)
	c.cert = other.cert
	return newChip(t)
}
