package enroll_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// An account may revoke what it was issued, and what its identity was if it holds
// the authorizations for the names as well. Either alone is not enough.
func TestMayRevoke(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		setPolicy(t, c, "[role.device]\ndns = ['*.ward.example']\nshare_names = true\n[role.web]\nnames = ['*.ward.example']\ndns = ['*.ward.example']\nshare_names = true\n")
		name := dns("x.ward.example")
		a, b := bind(t, c, eab(c, "device", "pump-1")), bind(t, c, eab(c, "device", "pump-2"))
		mine := a.issue(name)
		c.Stop()
		may := func(a *client, cert *x509.Certificate) error { return c.MayRevoke(t.Context(), a.held(), cert, home) }
		require.NoError(t, may(a, mine))

		// Another identity's account, with the same authorizations.
		b.order(name)
		held, err := c.Store.HoldsAuthorizations(t.Context(), b.acc.ID, []store.OrderIdentifier{name})
		require.NoError(t, err)
		require.True(t, held)
		denied(t, func() error { return may(b, mine) })
		denied(t, func() error { return may(unbound(t, c), mine) })

		// The same identity's certificate, renewed by the machine itself.
		h, err := c.Holder(t.Context(), mine, home)
		require.NoError(t, err)
		renew := func(names ...string) *x509.Certificate {
			cert, err := c.Renew(t.Context(), h, dnsCSR(t, enrolltest.NewKey(t), names...))
			require.NoError(t, err)
			return cert
		}
		renewed := renew("x.ward.example")
		require.NoError(t, may(a, renewed))
		h, err = c.Holder(t.Context(), renewed, home)
		require.NoError(t, err)
		more := renew("x.ward.example", "y.ward.example")
		denied(t, func() error { return may(a, more) })
		a.order(dns("y.ward.example"))
		require.NoError(t, may(a, more))
		denied(t, func() error { return may(a, enrolled(t, c, "device", "pump-3")) })
		refusals := c.Audit("acme.refuse")
		require.Len(t, refusals, 3, "what is refused to strangers waits for the queue")
		require.Equal(t, home.String(), refusals[0].Address)

		// To the byte.
		forged := *mine
		forged.Raw = append([]byte(nil), mine.Raw...)
		forged.Raw[len(forged.Raw)-1] ^= 1
		require.ErrorIs(t, may(a, &forged), store.ErrNotFound)
		require.ErrorIs(t, may(a, c.Authority.Certificate()), store.ErrNotFound)

		// An account that has ended may nothing.
		bind(t, c, c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", EAB: true, Replace: true}))
		denied(t, func() error { return may(a, mine) })
	})
}
