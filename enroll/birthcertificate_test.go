package enroll_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// What no manufacturer vouches for, or what is no birth certificate, is a stranger's, who
// learns nothing else; and what the standards allow is let in.
func TestBirthCertificates(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	c := enrolltest.New(t)
	m := born(t, c, "")
	forged := enrolltest.NewManufacturer(t, "Pumps")
	plain := func(serial string, f func(*x509.Certificate)) []*x509.Certificate {
		_, chain := m.Device(serial, f)
		return chain
	}
	hardware := func(serial []byte) func(*x509.Certificate) {
		return func(cert *x509.Certificate) {
			cert.Subject = pkix.Name{}
			cert.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: hardwareModule(t, serial)}}
		}
	}
	for i, tt := range []struct {
		name  string
		chain func(serial string) []*x509.Certificate
		good  bool
	}{
		{"plain", func(s string) []*x509.Certificate { return plain(s, func(*x509.Certificate) {}) }, true},
		{"for clients", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
		}, true},
		{"for anything", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })
		}, true},
		{"no key usage", func(s string) []*x509.Certificate { return plain(s, func(c *x509.Certificate) { c.KeyUsage = 0 }) }, true},
		{"hardware module", func(s string) []*x509.Certificate { return plain("", hardware([]byte(s))) }, true},
		{"with the root", func(s string) []*x509.Certificate { return append(plain(s, func(*x509.Certificate) {}), m.Root) }, true},

		{"of somebody of the same name", func(s string) []*x509.Certificate { _, chain := forged.Device(s); return chain }, false},
		{"without its intermediate", func(s string) []*x509.Certificate { return plain(s, func(*x509.Certificate) {})[:1] }, false},
		{"an authority", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, c.KeyUsage|x509.KeyUsageCertSign })
		}, false},
		{"an authority by its key usage", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign })
		}, false},
		{"for key agreement", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })
		}, false},
		{"for servers", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		}, false},
		{"expired", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
		}, false},
		{"not yet good", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
		}, false},
		{"under an expired intermediate", func(s string) []*x509.Certificate {
			_, chain := m.Under(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).Device(s)
			return chain
		}, false},
		{"under an intermediate that is none", func(s string) []*x509.Certificate {
			_, chain := m.Under(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }).Device(s)
			return chain
		}, false},
		{"a weak key", func(s string) []*x509.Certificate { return m.Birth(weak, s) }, false},
		{"too long a chain", func(s string) []*x509.Certificate {
			chain := plain(s, func(*x509.Certificate) {})
			for len(chain) < 7 {
				chain = append(chain, m.Intermediate)
			}
			return chain
		}, false},
		{"no serial number", func(string) []*x509.Certificate { return plain("", func(*x509.Certificate) {}) }, false},
		{"two serial numbers", func(s string) []*x509.Certificate {
			return plain("", func(c *x509.Certificate) {
				oid := asn1.ObjectIdentifier{2, 5, 4, 5}
				c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oid, Value: "SN 0"}, {Type: oid, Value: s}}
			})
		}, false},
		{"a serial number that lies in a log", func(s string) []*x509.Certificate {
			return plain(s+"\nissued to: root", func(*x509.Certificate) {})
		}, false},
		{"a critical extension that nobody knows", func(s string) []*x509.Certificate {
			return plain(s, func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1}, Critical: true, Value: []byte{5, 0}}}
			})
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, serial := fmt.Sprintf("pump-%d", i), fmt.Sprintf("SN %d", i)
			c.Inventory("pump", name, serial)
			_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: tt.chain(serial)})
			if tt.good {
				require.NoError(t, err)
				return
			}
			if _, limited := err.(*enroll.RateLimitError); !limited {
				require.Equal(t, enroll.ErrUnauthenticated, err)
			}
			require.Equal(t, store.Pending, c.Identity("pump/"+name).State)
		})
	}
	require.NotEmpty(t, c.Counts().Refused[enroll.ReasonCertificate])
}

// hardwareModule is a subjectAltName with nothing but a hardwareModuleName.
func hardwareModule(t *testing.T, serial []byte) []byte {
	t.Helper()
	type module struct {
		Type   asn1.ObjectIdentifier
		Serial []byte
	}
	type other struct {
		Type  asn1.ObjectIdentifier
		Value module `asn1:"explicit,tag:0"`
	}
	der, err := asn1.Marshal(struct {
		Name other `asn1:"tag:0"`
	}{other{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4}, module{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 5}, serial}}})
	require.NoError(t, err)
	return der
}

// Whatever a certificate says its serial number is, it is read or refused, and is fit to
// be looked up and to stand in a log.
func FuzzDeviceSerial(f *testing.F) {
	f.Add([]byte{0x30, 0}, "SN-1")
	f.Add([]byte("\x30\x1c\xa0\x1a\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x04\xa0\x0e\x30\x0c\x06\x06\x2b\x06\x01\x04\x01\x05\x04\x02SN"), "")
	f.Fuzz(func(t *testing.T, san []byte, serial string) {
		cert := &x509.Certificate{SerialNumber: big.NewInt(1), Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}}}
		if serial != "" {
			cert.Subject.Names = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: serial}}
		}
		if got, err := enroll.DeviceSerial(cert); err == nil {
			require.Regexp(t, `^[ -~]{1,64}$`, got)
		}
	})
}
