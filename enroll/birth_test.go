package enroll_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// born puts a policy in force under which pumps of a manufacturer enrol by their birth
// certificates, with what else the role says, and returns the manufacturer.
func born(t *testing.T, c *enrolltest.CA, also string) *enrolltest.Manufacturer {
	t.Helper()
	m := enrolltest.NewManufacturer(t, "Pumps")
	inForce(t, c, pumps(m, also))
	return m
}

func pumps(m *enrolltest.Manufacturer, also string) string {
	return fmt.Sprintf("%s\n[role.pump]\nmethods = ['birth', 'token', 'renew', 'approval']\nmanufacturer_roots = '''\n%s'''\n%s\n", enrolltest.Policy, m.PEM(), also)
}

func inForce(t *testing.T, c *enrolltest.CA, text string) {
	t.Helper()
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
	require.NoError(t, err)
}

// revokeAll revokes what the identity holds.
func revokeAll(t *testing.T, c *enrolltest.CA, cert *x509.Certificate) {
	t.Helper()
	alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
		_, _, err := tx.RevokeCertificate(ctx, store.SerialOf(cert), 1)
		return err
	})
}

func deniedSaying(t *testing.T, err error, says string) {
	t.Helper()
	var d *ca.DeniedError
	require.ErrorAs(t, err, &d)
	require.Contains(t, d.Reason, says)
}

// A birth certificate buys its device one certificate, for a key of its own: the lost reply
// is sent again, another key is refused and alarmed, as long as the first is good. When
// that is revoked or has expired, the device enrols anew by itself.
func TestBirth(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "")
		c.Inventory("pump", "pump-1", "SN 1")
		_, chain := m.Device("SN 1")
		csr := newCSR(t)
		cert, err := c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Birth: chain})
		require.NoError(t, err)
		require.Equal(t, "/pump/pump-1", cert.URIs[0].Path)
		issued := c.Audit("certificate.issue")
		require.Len(t, issued, 1)
		require.Equal(t, []any{"birth:SN 1"}, issued[0].Detail["proofs"])
		require.Equal(t, "birth", issued[0].Detail["method"])
		require.Equal(t, store.Active, c.Identity("pump/pump-1").State)
		require.NotEmpty(t, c.Identity("pump/pump-1").BirthSPKI)

		again, err := c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Role: "pump", Birth: chain})
		require.NoError(t, err)
		require.Equal(t, cert.Raw, again.Raw)
		require.Empty(t, c.Audit("birth.reuse"))

		_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		deniedSaying(t, err, "has enrolled already")
		require.Len(t, c.Audit("birth.reuse"), 1)
		require.True(t, c.Identity("pump/pump-1").Suspect)
		require.Equal(t, 1, c.Certificates("pump/pump-1"))
		require.EqualValues(t, 1, c.Counts().Alarms["birth.reuse"])

		revokeAll(t, c, cert)
		_, err = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Birth: chain})
		require.ErrorIs(t, err, store.ErrKeyTaken, "a key is certified once")
		second, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		require.NoError(t, err)
		require.NotEqual(t, cert.Raw, second.Raw)
		c.Advance(25 * time.Hour)
		_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		require.NoError(t, err)
		require.Equal(t, 3, c.Certificates("pump/pump-1"))
		require.Len(t, c.Audit("birth.reuse"), 1)
	})
}

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

// Whoever has a good birth certificate and gets nothing all the same is told why.
func TestBirthDenied(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "[role.spare]\nmethods = ['birth']\nmanufacturer_roots = '''\n"+enrolltest.NewManufacturer(t, "Spares").PEM()+"'''\n")
	key, chain := m.Device("SN 1")
	admit := func(claim enroll.Claim) error {
		claim.From, claim.Birth = home, chain
		if claim.CSR == nil {
			claim.CSR = newCSR(t)
		}
		_, err := c.Admit(t.Context(), claim)
		return err
	}
	deniedSaying(t, admit(enroll.Claim{}), `serial number "SN 1" is not in the inventory`)
	c.Inventory("pump", "pump-1", "SN 1")
	err := admit(enroll.Claim{CSR: enrolltest.CSR(t, key)})
	deniedSaying(t, err, "the key is that of its birth certificate")
	deniedSaying(t, admit(enroll.Claim{CSR: enrolltest.CSR(t, enrolltest.NewKey(t), "pump/pump-2")}), "names another identity")
	require.ErrorAs(t, admit(enroll.Claim{CSR: []byte("x")}), new(*ca.RequestError))
	deniedSaying(t, admit(enroll.Claim{ServerKey: true}), "make their keys themselves")
	deniedSaying(t, admit(enroll.Claim{Channel: enroll.ChannelOther}), "another TLS connection")
	require.Equal(t, enroll.ErrUnauthenticated, admit(enroll.Claim{Role: "device"}), "that admits nobody so")
	require.Equal(t, enroll.ErrUnauthenticated, admit(enroll.Claim{Role: "spare"}), "of another manufacturer")
	require.Equal(t, enroll.ErrUnauthenticated, admit(enroll.Claim{Role: "none"}))
	require.Empty(t, c.Audit("certificate.issue"))

	// The state of the identity counts, whatever its birth certificate says.
	require.NoError(t, admit(enroll.Claim{}))
	_, err = c.Suspend(t.Context(), enrolltest.Root, "pump/pump-1")
	require.NoError(t, err)
	deniedSaying(t, admit(enroll.Claim{}), "the identity is suspended")
	_, err = c.Resume(t.Context(), enrolltest.Root, "pump/pump-1")
	require.NoError(t, err)
	alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
		_, err := tx.RevokeIdentity(ctx, "pump/pump-1", 1)
		return err
	})
	deniedSaying(t, admit(enroll.Claim{}), "the identity is revoked")
	require.Equal(t, 1, c.Certificates("pump/pump-1"))
	require.NotEmpty(t, c.Audit("certificate.refuse"))
}

// One serial number with two birth keys is a forged device, or a new board: it takes a
// token that replaces to say that it is the latter.
func TestBirthKeyChanges(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "")
	c.Inventory("pump", "pump-1", "SN 1")
	_, chain := m.Device("SN 1")
	cert, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	require.NoError(t, err)
	revokeAll(t, c, cert)
	_, other := m.Device("SN 1")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: other})
	deniedSaying(t, err, "another birth certificate before")
	require.Len(t, c.Audit("identity.suspect"), 1)
	require.True(t, c.Identity("pump/pump-1").Suspect)

	token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-1", Replace: true})
	cert, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: other, Token: token})
	require.NoError(t, err)
	revokeAll(t, c, cert)
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	deniedSaying(t, err, "another birth certificate before")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: other})
	require.NoError(t, err)
}

// Of racers with one birth certificate one gets a certificate; those with the same key get
// the same one. So it is the first time, and when the identity holds nothing any more.
func TestBirthRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "")
		c.Inventory("pump", "pump-1", "SN 1")
		_, chain := m.Device("SN 1")
		for round := range 2 {
			one := newCSR(t)
			got := make([]*x509.Certificate, 8)
			var wg sync.WaitGroup
			for i := range got {
				csr := one
				if i%2 == 1 {
					csr = newCSR(t)
				}
				wg.Go(func() { got[i], _ = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Birth: chain}) })
			}
			wg.Wait()
			all := map[string]*x509.Certificate{}
			for _, cert := range got {
				if cert != nil {
					all[string(cert.Raw)] = cert
				}
			}
			require.Len(t, all, 1)
			require.Equal(t, round+1, c.Certificates("pump/pump-1"))
			c.Advance(25 * time.Hour)
		}
	})
}

// A change that lands between the decision and the commit wins, also where it is of what
// counts as proof.
func TestBirthWhileSigning(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "")
		c.Inventory("pump", "pump-1", "SN 1")
		_, chain := m.Device("SN 1")
		admit := func(meanwhile func()) error {
			c.WhileSigning(meanwhile)
			_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
			return err
		}
		other := enrolltest.NewManufacturer(t, "Others")
		require.ErrorIs(t, admit(func() { inForce(t, c, pumps(other, "")) }), store.ErrStale)
		inForce(t, c, pumps(m, ""))
		deniedSaying(t, admit(func() { inForce(t, c, pumps(m, "proofs = 2")) }), "2 independent proofs")
		inForce(t, c, pumps(m, ""))
		deniedSaying(t, admit(func() { inForce(t, c, strings.Replace(pumps(m, ""), "'birth', ", "", 1)) }), `method "birth" is not allowed`)
		inForce(t, c, pumps(m, ""))
		require.Equal(t, store.Pending, c.Identity("pump/pump-1").State)
		require.NoError(t, admit(func() { inForce(t, c, pumps(m, "lifetime = '1h'")) }), "as good as before")

		c.Advance(2 * time.Hour) // it holds nothing any more: another way of entering
		require.Error(t, admit(func() {
			_, err := c.Suspend(t.Context(), enrolltest.Root, "pump/pump-1")
			require.NoError(t, err)
		}))
		_, err := c.Resume(t.Context(), enrolltest.Root, "pump/pump-1")
		require.NoError(t, err)
		deniedSaying(t, admit(func() {
			alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
				_, err := tx.RevokeIdentity(ctx, "pump/pump-1", 1)
				return err
			})
		}), "the identity is revoked")
		require.Equal(t, 1, c.Certificates("pump/pump-1"))

		// Somebody else makes it hold one meanwhile.
		c.Inventory("pump", "pump-2", "SN 2")
		_, chain = m.Device("SN 2")
		deniedSaying(t, admit(func() {
			_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
			require.NoError(t, err)
		}), "has enrolled already")
		require.Equal(t, 1, c.Certificates("pump/pump-2"))
	})
}

// A device whose certificate has expired enrols anew, unless it has renewed late meanwhile:
// that is not superseded by its birth certificate.
func TestAnewWhileSigning(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "grace = '30d'")
		c.Inventory("pump", "pump-1", "SN 1")
		_, chain := m.Device("SN 1")
		cert, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		require.NoError(t, err)
		c.Advance(25 * time.Hour)
		c.WhileSigning(func() {
			_, err := renewLate(t, c, cert, newCSR(t))
			require.NoError(t, err)
		})
		_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		deniedSaying(t, err, "has enrolled already")
		require.Equal(t, 2, c.Certificates("pump/pump-1"))
	})
}

// The role that is asked for is the one of what is shown; and where the same number is
// known in two roles, it has to be said.
func TestClaimRole(t *testing.T) {
	c := enrolltest.New(t)
	m := enrolltest.NewManufacturer(t, "Pumps")
	inForce(t, c, pumps(m, "[role.spare]\nmethods = ['birth']\nmanufacturer_roots = '''\n"+m.PEM()+"'''\n"))
	c.Inventory("pump", "pump-1", "SN 1")
	c.Inventory("spare", "spare-1", "SN 1")
	_, chain := m.Device("SN 1")
	_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	deniedSaying(t, err, "more than one role")
	cert, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain, Role: "spare"})
	require.NoError(t, err)
	require.Equal(t, "/spare/spare-1", cert.URIs[0].Path)

	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Role: "pump"})
	deniedSaying(t, err, "for this role and no other")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: chain, Role: "device"})
	require.NoError(t, err, "the role makes nothing of what was presented in TLS")
	require.Equal(t, store.Pending, c.Identity("pump/pump-1").State)
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
