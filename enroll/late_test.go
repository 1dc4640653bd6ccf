package enroll_test

import (
	"context"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// graceful returns an expired certificate of a pump whose role has 30 days of grace.
func graceful(t *testing.T, c *enrolltest.CA) *x509.Certificate {
	t.Helper()
	inForce(t, c, "[role.pump]\ngrace = '30d'\n[role.device]\n")
	cert := enrolled(t, c, "pump", "pump-1")
	c.Advance(10 * 24 * time.Hour)
	return cert
}

func renewLate(t *testing.T, c *enrolltest.CA, parent *x509.Certificate, csr []byte) (*x509.Certificate, error) {
	t.Helper()
	holder, err := c.LateHolder(t.Context(), parent, home)
	if err != nil {
		return nil, err
	}
	return c.RenewLate(t.Context(), holder, csr)
}

// Within its role's grace an expired certificate is renewed, on its own path and for a new
// key; that is alarmed once, and the lost reply is sent again.
func TestRenewLate(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		parent := graceful(t, c)
		require.True(t, c.Late(parent))
		_, err := renew(t, c, parent, newCSR(t))
		deniedSaying(t, err, "expired")

		key := enrolltest.NewKey(t)
		child, err := renewLate(t, c, parent, enrolltest.CSR(t, key))
		require.NoError(t, err)
		require.Equal(t, parent.URIs, child.URIs)
		row, err := c.Store.Certificate(t.Context(), store.SerialOf(child))
		require.NoError(t, err)
		require.Equal(t, store.SerialOf(parent), *row.Parent)
		again, err := renewLate(t, c, parent, enrolltest.CSR(t, key))
		require.NoError(t, err)
		require.Equal(t, child.Raw, again.Raw)
		late := c.Audit("certificate.late")
		require.Len(t, late, 1)
		require.Equal(t, "pump/pump-1", late[0].Subject)
		require.EqualValues(t, 1, c.Counts().Alarms["certificate.late"])
		require.False(t, c.Identity("pump/pump-1").Suspect)
		require.NotEmpty(t, c.Audit("certificate.issue")[1].Detail["expired"])

		// From now on the disk with the old one is that of a thief.
		_, err = renewLate(t, c, parent, newCSR(t))
		var forked *enroll.ForkedError
		require.ErrorAs(t, err, &forked)
		require.ErrorContains(t, err, "betonica token create --role pump --name pump-1 --replace")
		require.Len(t, c.Audit("certificate.fork"), 1)
		require.True(t, c.Identity("pump/pump-1").Suspect)
		require.Equal(t, 2, c.Certificates("pump/pump-1"))
		require.Len(t, c.Audit("certificate.late"), 1)
	})
}

// What is void for another reason than its age stays void.
func TestRenewLateRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, c *enrolltest.CA, parent *x509.Certificate)
		says   string
	}{
		"grace is over": {func(t *testing.T, c *enrolltest.CA, _ *x509.Certificate) { c.Advance(21 * 24 * time.Hour) },
			"betonica token create --role pump --name pump-1 --replace"},
		"grace was taken away": {func(t *testing.T, c *enrolltest.CA, _ *x509.Certificate) { inForce(t, c, "[role.pump]\n") }, "it has to enrol anew"},
		"role admits no renewal": {func(t *testing.T, c *enrolltest.CA, _ *x509.Certificate) {
			inForce(t, c, "[role.pump]\ngrace = '30d'\nmethods = ['token']\n")
		}, `method "renew" is not allowed`},
		"suspended": {func(t *testing.T, c *enrolltest.CA, _ *x509.Certificate) {
			_, err := c.Suspend(t.Context(), enrolltest.Root, "pump/pump-1")
			require.NoError(t, err)
		}, "the identity is suspended"},
		"identity revoked": {func(t *testing.T, c *enrolltest.CA, _ *x509.Certificate) {
			alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
				_, err := tx.RevokeIdentity(ctx, "pump/pump-1", 1)
				return err
			})
		}, "the identity is revoked"},
		"left behind": {func(t *testing.T, c *enrolltest.CA, _ *x509.Certificate) {
			token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-1", Replace: true})
			_, err := c.Enroll(t.Context(), token, home, newCSR(t))
			require.NoError(t, err)
		}, "left behind by a newer one"},
	} {
		t.Run(name, func(t *testing.T) {
			c := enrolltest.New(t)
			parent := graceful(t, c)
			before := c.Certificates("pump/pump-1")
			tt.change(t, c, parent)
			if name == "left behind" {
				before++
			}
			_, err := renewLate(t, c, parent, newCSR(t))
			deniedSaying(t, err, tt.says)
			require.Equal(t, before, c.Certificates("pump/pump-1"))
			require.Empty(t, c.Audit("certificate.late"))
		})
	}

	c := enrolltest.New(t)
	graceful(t, c)
	fresh := enrolled(t, c, "pump", "pump-2")
	_, err := renewLate(t, c, fresh, newCSR(t))
	deniedSaying(t, err, "has not expired")
	revokeAll(t, c, fresh)
	c.Advance(25 * time.Hour)
	_, err = renewLate(t, c, fresh, newCSR(t))
	deniedSaying(t, err, "is revoked")
	_, err = c.LateHolder(t.Context(), nil, home)
	require.Equal(t, enroll.ErrUnauthenticated, err)
	other := graceful(t, enrolltest.New(t))
	_, err = c.LateHolder(t.Context(), other, home)
	require.Equal(t, enroll.ErrUnauthenticated, err, "of another authority")
}

// Of racers with one expired certificate and keys of their own one is served, whatever the
// role says of forks; and a revocation that lands between decision and commit wins.
func TestRenewLateRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		parent := graceful(t, c)
		holder, err := c.LateHolder(t.Context(), parent, home)
		require.NoError(t, err)
		c.WhileSigning(func() {
			_, err := c.Suspend(t.Context(), enrolltest.Root, "pump/pump-1")
			require.NoError(t, err)
			_, err = c.Resume(t.Context(), enrolltest.Root, "pump/pump-1")
			require.NoError(t, err)
		})
		_, err = c.RenewLate(t.Context(), holder, newCSR(t))
		require.ErrorIs(t, err, store.ErrStale)

		served := make([]*x509.Certificate, 6)
		var wg sync.WaitGroup
		for i := range served {
			csr := newCSR(t)
			wg.Go(func() { served[i], _ = renewLate(t, c, parent, csr) })
		}
		wg.Wait()
		n := 0
		for _, cert := range served {
			if cert != nil {
				n++
			}
		}
		require.Equal(t, 1, n)
		require.Equal(t, 2, c.Certificates("pump/pump-1"))
		require.NotEmpty(t, c.Audit("certificate.fork"))
	})
}
