package enroll_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

func entomb(t *testing.T, c *enrolltest.CA, path string) {
	t.Helper()
	require.NoError(t, c.Store.UpdateAlone(t.Context(), func(ctx context.Context, tx *store.AloneTx) (audit.Event, error) {
		_, err := tx.RevokeIdentity(ctx, path, 1)
		return audit.Event{Action: "identity.revoke", Actor: "uid:0", Outcome: "ok"}, err
	}))
}

// A tombstone is lifted by a token that two people agreed on, once: it stays one until the
// token is spent, and if it is put up again that is worth nothing.
func TestTombstone(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		enrolled(t, c, "device", "pump")
		entomb(t, c, "device/pump")
		again := enroll.TokenRequest{Role: "device", Name: "pump", Replace: true}
		var conflict *enroll.ConflictError
		_, err := c.CreateToken(t.Context(), enrolltest.Root, again)
		require.ErrorAs(t, err, &conflict, "there are no two people")
		require.ErrorContains(t, err, "two people")

		w := newWorld(t, c)
		lift := func() string {
			p := pends(t, w.make(w.ada, again))
			require.Equal(t, store.ProposeTombstone, p.Kind)
			require.NoError(t, w.agree(w.bob, p))
			token, err := c.CreateToken(t.Context(), w.ada, again)
			require.NoError(t, err)
			return token.String()
		}
		enter := func(token string) error {
			_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
			return err
		}
		token := lift()
		require.Equal(t, store.Revoked, c.Identity("device/pump").State)
		for _, change := range []enroll.TokenRequest{{Role: "device", Name: "pump"}, {Role: "device", Name: "pump", Replace: true, Uses: 2}, {Role: "device", Name: "pump", Replace: true, EAB: true}} {
			require.ErrorAs(t, w.make(w.ada, change), &conflict)
		}
		require.NoError(t, enter(token))
		require.Equal(t, store.Active, c.Identity("device/pump").State)
		require.Error(t, enter(token))

		entomb(t, c, "device/pump")
		token = lift()
		entomb(t, c, "device/pump")
		require.Error(t, enter(token))
		require.Equal(t, store.Revoked, c.Identity("device/pump").State)
	})
}
