package enroll_test

import (
	"context"
	"crypto/x509"
	"fmt"
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
